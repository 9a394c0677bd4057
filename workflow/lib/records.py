"""What the stages hand to each other: one frozen record and one Arrow schema per kind of row.

Every stage converts at its border: ``table(records)`` to write, ``load(path, Kind)`` to read, which
checks the file's schema. Empty text means "there is none"; ``None`` occurs only where a field says so.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import pyarrow as pa

from workflow.lib.parquet import tables_of

Kind = TypeVar("Kind")
# What a row says, whatever its kind; the rest is about it.
TEXT_COLUMNS = ("context", "question", "choices", "chosen", "rejected", "text", "thought", "completion")
ARROW: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    list[str]: pa.list_(pa.string()),
    list[float]: pa.list_(pa.float64()),
    str | None: pa.string(),
    float | None: pa.float64(),
    bool | None: pa.bool_(),
}


@dataclass(frozen=True)
class Problem:
    """One question with its gold answer or the verifier that decides, from any dataset."""

    problem_id: str  # hash of dataset and text: see ``problem_id``
    group_id: str  # context, goal or story: never split across train, dev and test
    dataset: str
    category: str  # reasoning type: propositional, first_order, non_monotonic, commonsense, …
    rule: str  # inference rule or sub-type, as modus_tollens
    context: str
    question: str
    choices: list[str]  # answer options in order; ["yes", "no"] for yes/no questions
    answer: str | None  # canonical gold answer, one of ``choices`` where there are any
    verifier: str  # name in workflow.lib.verifiers; "gold" compares with ``answer``
    instance: str  # JSON that the verifier needs; for "gold" empty, or the label as the file has it
    planted: str  # defect planted by a generator (ambiguous, mislabelled), for scoring detection only
    source: str  # file and row it was read from

    def texts(self) -> tuple[str, ...]:
        """Return what two problems must share to be the same question."""
        return (self.context, self.question, *self.choices)

    def label(self) -> str:
        """Return the gold answer; where a verifier decides, what it decides on: many answers may be right."""
        return (self.answer or "") if self.verifier == "gold" else self.instance


@dataclass(frozen=True)
class GivenPair:
    """One question with a better and a worse answer, as people voted."""

    problem_id: str
    group_id: str  # the question; it may have several pairs
    dataset: str
    category: str  # preference
    rule: str
    question: str
    chosen: str
    rejected: str
    attribution: str  # address, date and authors, as the licence asks
    source: str

    def texts(self) -> tuple[str, ...]:
        """Return what two pairs must share to be the same."""
        return (self.question, self.chosen, self.rejected)

    def label(self) -> str:
        """Return nothing: which answer is better is part of the text."""
        return ""


@dataclass(frozen=True)
class Passage:
    """One text to start prompts from, with its class where it has one."""

    problem_id: str
    group_id: str
    dataset: str
    category: str  # sentiment
    rule: str
    text: str  # the whole text
    prompt: str  # its first tokens
    answer: str  # positive, negative, or empty where nobody said
    source: str

    def texts(self) -> tuple[str, ...]:
        """Return what two passages must share to be the same."""
        return (self.text,)

    def label(self) -> str:
        """Return the class of the text."""
        return self.answer


@dataclass(frozen=True)
class Trace:
    """One question with the thoughts and the answer of a model that reasons aloud."""

    problem_id: str
    group_id: str  # the question; it may have several traces
    dataset: str
    category: str
    rule: str
    question: str
    thought: str  # without its tags; empty where the model did not think aloud
    completion: str  # what follows the thought
    answer: str | None  # gold, where the dataset has it
    parsed: str | None  # what the completion states; None where nothing could be read
    verdict: str  # right | wrong | unknown, as the dataset says
    complete: bool  # the thought was closed and the completion is there
    source: str

    def texts(self) -> tuple[str, ...]:
        """Return what two traces must share to be the same."""
        return (self.question, self.thought, self.completion)

    def label(self) -> str:
        """Return the verdict on the trace."""
        return self.verdict


Record = Problem | GivenPair | Passage | Trace  # what a dataset may consist of


@dataclass(frozen=True)
class Rationale:
    """One sampled answer of a teacher, as it came out."""

    rationale_id: str  # problem, teacher, prompt and index
    problem_id: str
    split: str  # train or dev
    teacher: str
    prompt: str  # name of the prompt file
    index: int  # 0 … samples - 1
    seed: int  # of this sample, derived from the problem
    text: str
    logprob: float | None  # sum over the sampled tokens, nats; None: the teacher does not tell
    tokens: int  # sampled tokens
    prompt_tokens: int
    finish_reason: str  # stop, length, …


@dataclass(frozen=True)
class Opinion:
    """What a judge replied about one rationale, or about two (or two answers) to one problem in one order."""

    rationale_id: str  # the one it is about, or the one shown first
    against: str  # the one shown second; empty where it is about one
    judge: str  # name of the teacher
    text: str
    tokens: int  # sampled tokens
    prompt_tokens: int
    finish_reason: str


@dataclass(frozen=True)
class Verified:
    """A rationale with its parsed answer and the verdict on it."""

    rationale_id: str
    problem_id: str
    group_id: str
    split: str
    category: str
    rule: str
    teacher: str
    prompt: str
    index: int
    text: str
    logprob: float | None
    tokens: int
    finish_reason: str
    parsed: str | None  # None: no answer could be read
    verdict: str  # right | wrong | unparsed | truncated, or the flag in rationales.drop that it has
    vote_share: float  # share of the problem's most frequent parsed answer, 0 … 1
    entropy: float  # of the problem's parsed answers, nats
    ambiguous: bool  # the problem is ambiguous by the stated rule
    planted: str
    right: bool  # the answer is right, whatever the verdict on the rationale
    words: int  # of the text
    steps: int  # sentences or lines that do not state the answer
    repetition: float  # share of its word 4-grams that were there before, 0 … 1
    leaked: bool  # the answer stood before the steps, or the text speaks of a hint
    conclusion_agrees: bool | None  # with the answer: what the last step comes to; None: one cannot tell
    support: str  # do the steps come to the answer, says a judge: yes | no | unparsed; empty: not asked
    preference: str  # against another rationale: better | worse | split | unparsed; empty: not compared
    flags: list[str]  # names in workflow.lib.signals.FLAGS


@dataclass(frozen=True)
class ProblemSignals:
    """What all samples of one problem say together, and what they say of the problem."""

    problem_id: str
    group_id: str
    split: str
    category: str
    rule: str
    samples: int
    answered: int  # samples with an answer that could be read
    right: int  # samples with the right answer
    answer: str | None  # gold; None where a verifier decides
    majority: str | None  # self-consistency answer: the most frequent one; None: no answer could be read
    vote_share: float  # of the majority among the answers read, 0 … 1; 0 if none was read
    entropy: float  # of the answers read, nats
    gold_share: float | None  # of the gold answer among the answers read
    opposite: str | None  # problem of the group that asks for the opposite (not-P for P)
    consistent: bool | None  # not both have the majority "yes"; None without an answered opposite
    pair_gap: float | None  # |share of "yes" here + share of "yes" there − 1|, 0 … 1
    teacher_agreement: float | None  # share of teachers with this majority; None for fewer than two
    untold: float | None  # share of the answered samples whose steps come to no conclusion that can be read
    logprob_right: float | None  # mean of the right samples' log-probabilities, nats per sample
    logprob_wrong: float | None  # the same of the samples with a wrong answer
    difficulty: str  # easy: all samples right | hard: none | mixed
    ambiguous: bool
    label_suspect: bool  # many samples agree on another answer than gold
    planted: str


@dataclass(frozen=True)
class SftRow:
    """One prompt with the completion to imitate."""

    row_id: str
    problem_id: str
    group_id: str
    split: str
    category: str
    prompt: str  # text of the user turn
    completion: str  # text of the assistant turn


@dataclass(frozen=True)
class Pair:
    """One prompt with a better and a worse completion."""

    row_id: str
    problem_id: str
    group_id: str
    split: str
    category: str
    prompt: str
    chosen: str
    rejected: str
    margin: float | None  # by how much chosen is better, by the rule in preferences.margin; None: not known


@dataclass(frozen=True)
class Prompt:
    """One prompt for on-policy training, with what is needed to check an answer."""

    row_id: str
    problem_id: str
    group_id: str
    split: str
    category: str
    prompt: str
    choices: list[str]
    answer: str | None
    verifier: str
    instance: str


@dataclass(frozen=True)
class Overlap:
    """How much of one held-out problem the training split of a dataset has word for word."""

    dataset: str  # of the held-out problem
    problem_id: str
    share: float  # of the problem's word n-grams that are in training, 0 … 1
    contaminated: bool  # the share is as large as the study calls contaminated
    example: str  # problem_id of the training row that has most of them; empty where none has any


@dataclass(frozen=True)
class Sample:
    """One scored answer of one policy to one held-out problem: what every statistic is made of."""

    dataset: str  # that the adapter was trained on
    model: str
    method: str
    seed: int
    task: str
    problem_id: str
    group_id: str
    category: str
    rule: str
    repeat: int  # 0 … repeats - 1; 0 for greedy and log-likelihood tasks
    prompt: str  # text of the user turn
    prompt_sha256: str  # of the text as the model saw it, chat template included
    text: str  # the answer; the chosen option for log-likelihood tasks
    parsed: str | None
    answer: str | None
    score: float  # 1.0 right, 0.0 wrong or unparsed
    tokens: int  # of the answer
    loglikelihoods: list[float]  # one per choice; empty for generation tasks


@dataclass(frozen=True)
class AnswerScore:
    """What one scorer gives one answer of one policy, and how much likelier that is than under the base."""

    dataset: str  # that the adapter was trained on
    model: str
    method: str
    seed: int
    task: str
    problem_id: str
    group_id: str
    category: str
    repeat: int
    scorer: str  # its name in the config
    reward: float
    log_ratio: float | None  # log π(y|x) - log π_base(y|x), nats; null where answers are not sampled
    tokens: int  # of the answer


def schema_of(kind: type) -> pa.Schema:
    """Return the Arrow schema of a record class."""
    hints = get_type_hints(kind)
    return pa.schema([pa.field(f.name, ARROW[hints[f.name]]) for f in fields(kind)])


def table(records: Sequence[Any], kind: type) -> pa.Table:
    """Return ``records``, all of class ``kind``, as an Arrow table."""
    return pa.Table.from_pylist([asdict(r) for r in records], schema=schema_of(kind))


def records_in(path: str | Path, kind: type[Kind]) -> Iterator[Kind]:
    """Yield the records of class ``kind`` in the file at ``path``, some thousands in memory at a time."""
    for rows in tables_of(path, schema_of(kind)):
        yield from (kind(**row) for row in rows.to_pylist())


def load(path: str | Path, kind: type[Kind]) -> list[Kind]:
    """Return the records of class ``kind`` in the Parquet file at ``path``."""
    return list(records_in(path, kind))


def texts_of(rows: pa.Table) -> list[str]:
    """Return the text of each row of a table of problems, pairs, passages or traces."""
    names = [n for n in rows.column_names if n in TEXT_COLUMNS]
    columns = [rows[name].to_pylist() for name in names]
    joined = [[" ".join(v) if isinstance(v, list) else v for v in column] for column in columns]
    return [" ".join(parts) for parts in zip(*joined, strict=True)]


def problem_id(dataset: str, *texts: str) -> str:
    """Return the stable identifier of a problem: a hash of its dataset and text, wherever it stands."""
    return "p" + short_hash(dataset, *texts)


def group_id(dataset: str, *texts: str) -> str:
    """Return the stable identifier of a group: problems with the same normalised text share it."""
    return "g" + short_hash(dataset, *(" ".join(t.casefold().split()) for t in texts))


def short_hash(*parts: str) -> str:
    """Return 64 bits of the SHA-256 of ``parts`` in hexadecimal."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]
