"""What the stages hand to each other: one frozen record and one Arrow schema per kind of row.

Every stage converts at its border: ``table(records)`` to write, ``load(path, Kind)`` to read, which
checks the file's schema. Empty text means "there is none"; ``None`` occurs only where a field says so.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import pyarrow as pa

from workflow.lib.files import rows_of

Kind = TypeVar("Kind")
ARROW: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    list[str]: pa.list_(pa.string()),
    list[float]: pa.list_(pa.float64()),
    str | None: pa.string(),
}


@dataclass(frozen=True)
class Problem:
    """One question with its gold answer or the verifier that decides, from any dataset."""

    problem_id: str  # hash of dataset, source and text: see ``problem_id``
    group_id: str  # context, goal or story: never split across train, dev and test
    dataset: str
    category: str  # reasoning type: propositional, first_order, non_monotonic, commonsense, …
    rule: str  # inference rule or sub-type, as modus_tollens
    context: str
    question: str
    choices: list[str]  # answer options in order; ["yes", "no"] for yes/no questions
    answer: str | None  # canonical gold answer, one of ``choices`` where there are any
    verifier: str  # name in workflow.lib.verifiers; "gold" compares with ``answer``
    instance: str  # JSON that the verifier needs; empty for "gold"
    planted: str  # defect planted by a generator ("ambiguous"), for scoring detection only
    source: str  # file and row it was read from


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
    logprob: float  # sum over the sampled tokens, nats
    tokens: int  # sampled tokens
    prompt_tokens: int
    finish_reason: str  # stop, length, …


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
    logprob: float
    tokens: int
    finish_reason: str
    parsed: str | None  # None: no answer could be read
    verdict: str  # right | wrong | unparsed | truncated
    vote_share: float  # share of the problem's most frequent parsed answer, 0 … 1
    entropy: float  # of the problem's parsed answers, nats
    ambiguous: bool  # the problem is ambiguous by the stated rule
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


def schema_of(kind: type) -> pa.Schema:
    """Return the Arrow schema of a record class."""
    hints = get_type_hints(kind)
    return pa.schema([pa.field(f.name, ARROW[hints[f.name]]) for f in fields(kind)])


def table(records: Sequence[Any], kind: type) -> pa.Table:
    """Return ``records``, all of class ``kind``, as an Arrow table."""
    return pa.Table.from_pylist([asdict(r) for r in records], schema=schema_of(kind))


def load(path: str | Path, kind: type[Kind]) -> list[Kind]:
    """Return the records of class ``kind`` in the Parquet file at ``path``."""
    return [kind(**row) for row in rows_of(path, schema_of(kind))]


def problem_id(dataset: str, source: str, *texts: str) -> str:
    """Return the stable identifier of a problem: a hash of its dataset, source id and text."""
    return "p" + _hash(dataset, source, *texts)


def group_id(dataset: str, *texts: str) -> str:
    """Return the stable identifier of a group: problems with the same normalised text share it."""
    return "g" + _hash(dataset, *(" ".join(t.casefold().split()) for t in texts))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]
