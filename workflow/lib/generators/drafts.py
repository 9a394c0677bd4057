"""What a rule hands over: sentences and queries, each told in words and as a formula."""

from dataclasses import dataclass

from workflow.lib.generators.semantics import Formula
from workflow.lib.generators.words import Literal

Sentence = tuple[str, Formula]


@dataclass(frozen=True)
class Query:
    """A clause to ask about, its meaning, and a proof or refutation of it."""

    clause: str
    meaning: Formula
    proof: str


@dataclass(frozen=True)
class Draft:
    """Sentences that settle two queries, noise that does not matter, and what goes without saying."""

    sentences: list[Sentence]
    queries: list[Query]
    noise: list[Sentence]
    given: tuple[Formula, ...] = ()


def both_ways(end: Literal, proof: str, people: list[str]) -> list[Query]:
    """Ask for ``end`` and for its opposite."""
    return [Query(str(it), it.formula, compare(proof, it.sign, end.sign)) for it in (end, end.opposite)]


def compare(proof: str, claimed: str, found: str) -> str:
    """Return ``proof`` with its last step, which sets what was found beside what was claimed."""
    same = "same" if claimed == found else "different"
    return f"{proof} Claimed {claimed}, found {found}: {same}.".strip()
