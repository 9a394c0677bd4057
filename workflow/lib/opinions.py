"""What a judge says of rationales: whether the answer follows from the steps, and which of two is sounder.

A judge is a teacher, asked about its own rationales or about everybody's. A rationale whose answer could be
read and that has steps is shown without its statement of the answer, and the judge says whether the steps
come to that answer (entailment). Of two right rationales of one problem it says which is sounder, in both
orders: judges favour a place (Zheng et al. 2023, arXiv 2306.05685, section 3.3), so a comparison counts only
where both replies name the same one. Thoughts are not shown where steps follow them. A reply that cannot be
read is "unparsed", never "no".
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workflow.lib.answers import parse_choice
from workflow.lib.asking import Question
from workflow.lib.errors import raise_all
from workflow.lib.files import read_jsonl
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Opinion, Problem, Rationale, Verified, load, short_hash
from workflow.lib.sights import COMPARER, JUDGE
from workflow.lib.signals import read
from workflow.lib.traces import split_thought
from workflow.lib.verification import verdict_of

SUPPORT = ["yes", "no"]  # replies on one rationale
PLACES = ["first", "second"]  # replies on two
UNPARSED = "unparsed"
AND = "|"  # between the ids of two rationales: no name has it in it
TAIL = re.compile(  # words that lead to "the answer is" and say nothing
    r"\W*(?:\b(?:so|thus|hence|therefore|finally|overall|in conclusion|and|then|my|the|final|correct|right)"
    r"\b\W*)+$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class JudgeSettings:
    """The section ``rationales.judge`` of the config."""

    by: str | None  # teacher that judges all; None: each its own
    temperature: float
    entails: str  # prompt that sees one rationale
    compare: dict[str, Any] | None  # ``prompt`` that sees two, and ``pairs`` per problem

    def once(self, teacher: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a teacher that replies once to each question."""
        return once(teacher, self.temperature)

    def pairs(self) -> int:
        """Return how many pairs of each problem are compared at most."""
        return int(self.compare["pairs"]) if self.compare else 0


@dataclass(frozen=True)
class Case:
    """One rationale, as a judge sees it."""

    context: str
    question: str
    choices: list[str]
    steps: str  # without the statement of the answer
    stated: str  # the answer as it was read


@dataclass(frozen=True)
class Contest:
    """Two rationales of one problem, as a judge sees them."""

    context: str
    question: str
    choices: list[str]
    first: str
    second: str


@dataclass(frozen=True)
class Candidate:
    """A rationale that a judge may be asked about."""

    row: Rationale
    problem: Problem
    parsed: str
    right: bool


def once(teacher: Mapping[str, Any], temperature: float) -> dict[str, Any]:
    """Return the settings of a teacher that replies once to each question, as a judge does."""
    return {**teacher, "samples": 1, "temperature": temperature}


def spoken(text: str) -> str:
    """Return what follows the thought in ``text`` where it has steps, or else all of it."""
    after = split_thought(text).completion
    return after if _steps(after) else text


def steps_of(text: str) -> list[str]:
    """Return the steps of a rationale before its last statement of the answer; see ``spoken``."""
    return _steps(spoken(text))


def _steps(text: str) -> list[str]:
    *steps, lead = read(text).before
    return [step for step in (*steps, TAIL.sub("", lead).strip()) if re.search(r"\w", step)]


def candidates(rationales: Iterable[Rationale], problems: Mapping[str, Problem]) -> list[Candidate]:
    """Return the rationales whose answer could be read and that have steps, in the order given."""
    found = []
    for row in rationales:
        problem = problems[row.problem_id]
        parsed, verdict = verdict_of(row, problem)
        if parsed is not None and steps_of(row.text):
            found.append(Candidate(row, problem, parsed, verdict == "right"))
    return found


def support_questions(asked: Iterable[Candidate], prompt: PromptFile) -> list[Question]:
    """Return the questions whether the steps come to the answer; their ids are those of the rationales."""
    return [
        Question(
            c.row.rationale_id,
            c.row.split,
            prompt.render(
                Case(
                    c.problem.context,
                    c.problem.question,
                    c.problem.choices,
                    "\n".join(steps_of(c.row.text)),
                    c.parsed,
                )
            ),
        )
        for c in asked
    ]


def contests(asked: Iterable[Candidate], most: int) -> list[tuple[Candidate, Candidate]]:
    """Return up to ``most`` pairs of right rationales of each problem; none is in two pairs.

    Which ones depends on their ids alone. Of rationales with the same text one is enough.
    """
    right: dict[str, dict[str, Candidate]] = defaultdict(dict)
    for c in sorted(asked, key=lambda c: short_hash("contest", c.row.rationale_id)):
        if c.right:
            right[c.row.problem_id].setdefault(spoken(c.row.text).strip(), c)
    pairs: list[tuple[Candidate, Candidate]] = []
    for key in sorted(right):
        own = list(right[key].values())
        pairs += list(zip(own[::2], own[1::2], strict=False))[:most]
    return pairs


def contest_questions(asked: Iterable[Candidate], prompt: PromptFile, most: int) -> list[Question]:
    """Return the questions which of two rationales is sounder, each pair in both orders."""
    return [
        Question(
            f"{one.row.rationale_id}{AND}{other.row.rationale_id}",
            one.row.split,
            prompt.render(
                Contest(
                    one.problem.context,
                    one.problem.question,
                    one.problem.choices,
                    spoken(one.row.text).strip(),
                    spoken(other.row.text).strip(),
                )
            ),
        )
        for pair in contests(asked, most)
        for one, other in (pair, pair[::-1])
    ]


def questions_about(
    rationales: Sequence[str], splits: Sequence[str], entails: str, compare: Sequence[str], pairs: int
) -> dict[str, list[Question]]:
    """Return what a judge is asked, by prompt file.

    Args:
        rationales: JSON Lines files of the samples.
        splits: Parquet files of their problems.
        entails: Prompt file that sees one rationale.
        compare: The one that sees two; empty where none are compared.
        pairs: Compared of each problem at most.
    """
    problems = {p.problem_id: p for path in splits for p in load(path, Problem)}
    rows = (Rationale(**record) for path in rationales for record in read_jsonl(path))
    asked = candidates(rows, problems)
    questions = {entails: support_questions(asked, PromptFile(entails, JUDGE))}
    return questions | {path: contest_questions(asked, PromptFile(path, COMPARER), pairs) for path in compare}


def opinions(replies: Iterable[Rationale]) -> list[Opinion]:
    """Return the replies to such questions as opinions."""
    found = []
    for row in replies:
        one, _, other = row.problem_id.partition(AND)
        found.append(
            Opinion(one, other, row.teacher, row.text, row.tokens, row.prompt_tokens, row.finish_reason)
        )
    return found


def said(opinion: Opinion) -> str:
    """Return what an opinion says: yes or no of one rationale, first or second of two, or unparsed."""
    allowed = PLACES if opinion.against else SUPPORT
    parsed = parse_choice(opinion.text, allowed) if opinion.finish_reason == "stop" else None
    return UNPARSED if parsed is None else parsed


def supports(given: Iterable[Opinion]) -> dict[str, str]:
    """Return yes, no or unparsed by rationale."""
    return {opinion.rationale_id: said(opinion) for opinion in given if not opinion.against}


def outcomes(given: Iterable[Opinion]) -> dict[tuple[str, str], str]:
    """Return how each comparison ended, by its two rationales in the order of their ids.

    It ended with the rationale that both replies name, as split where they name two, or as unparsed.
    """
    replies = {(o.rationale_id, o.against): said(o) for o in given if o.against}
    found = {}
    for one, other in sorted(replies):
        if one < other:
            named = {_named(pair, replies[pair]) for pair in ((one, other), (other, one))}
            found[one, other] = UNPARSED if UNPARSED in named else named.pop() if len(named) == 1 else "split"
    return found


def _named(pair: tuple[str, str], reply: str) -> str:
    return reply if reply == UNPARSED else pair[PLACES.index(reply)]


def check_opinions(given: Sequence[Opinion], rows: Iterable[Verified]) -> None:
    """Fail unless every rationale with an answer and steps has one opinion, and comparisons both orders."""
    known = {row.rationale_id: row for row in rows}
    told = Counter((o.rationale_id, o.against) for o in given)
    wrong = [f"{one} {other}: {n} opinions instead of one" for (one, other), n in told.items() if n > 1]
    strange = {key for pair in told for key in pair if key and key not in known}
    wrong += [f"{key}: not among the rationales" for key in sorted(strange)]
    wrong += [f"{a} {b}: compared in one order" for a, b in told if b and (b, a) not in told]
    wrong += [
        f"{key}: no opinion"
        for key, row in known.items()
        if row.parsed is not None and steps_of(row.text) and (key, "") not in told
    ]
    raise_all([f"judged rationale {line}. Fix: judge again." for line in wrong])


def read_opinions(paths: Sequence[str], rows: Sequence[Verified]) -> list[Opinion]:
    """Return what judges said of ``rows`` after checking that nothing lacks; nothing where none was asked."""
    found = [Opinion(**record) for path in paths for record in read_jsonl(path)]
    if paths:
        check_opinions(found, rows)
    return found


def heard(rows: Iterable[Verified], given: Sequence[Opinion]) -> list[Verified]:
    """Return ``rows`` with what the judge said of each."""
    support, preference = supports(given), {}
    for pair, end in outcomes(given).items():
        for key in pair:
            preference[key] = end if end in ("split", UNPARSED) else "better" if key == end else "worse"
    return [
        replace(
            row,
            support=support.get(row.rationale_id, ""),
            preference=preference.get(row.rationale_id, ""),
        )
        for row in rows
    ]


def about_judging(rows: Iterable[Verified], given: Sequence[Opinion]) -> dict[str, Any]:
    """Return what the card tells: replies by judge and teacher among right and wrong, and the comparisons.

    ``first_share`` is the share of readable replies that name the rationale shown first: ½ without favour.
    """
    known = {row.rationale_id: row for row in rows}
    replies: dict[tuple[str, str], list[tuple[str, bool]]] = defaultdict(list)
    for opinion in given:
        if not opinion.against:
            row = known[opinion.rationale_id]
            replies[opinion.judge, row.teacher].append((said(opinion), row.right))
    ends = Counter(end if end in ("split", UNPARSED) else "agreed" for end in outcomes(given).values())
    places = [place for place in (said(o) for o in given if o.against) if place != UNPARSED]
    return {
        "support": [
            {
                **{"judge": judge, "teacher": teacher, "asked": len(some)},
                **{
                    side: dict(sorted(Counter(reply for reply, right in some if right is is_right).items()))
                    for side, is_right in (("right", True), ("wrong", False))
                },
            }
            for (judge, teacher), some in sorted(replies.items())
        ],
        "comparisons": {
            "pairs": ends.total(),
            **{name: ends[name] for name in ("agreed", "split", UNPARSED)},
            "first_share": places.count("first") / len(places) if places else None,
        },
    }
