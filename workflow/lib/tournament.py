"""The tournament of prompts: what each arm (a teacher with a prompt) reached on a slice of dev, and who wins.

All arms of a teacher answer the same problems, so they are compared by the paired difference of their yields,
with a cluster bootstrap over groups (``workflow.lib.statistics``). Arms whose difference to the best one may
be zero are its tie group: the slice does not tell them apart.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

import numpy as np

from workflow.lib.errors import IntegrityError
from workflow.lib.records import Problem, Rationale
from workflow.lib.signals import read, repetition
from workflow.lib.statistics import Estimate, Settings, difference, mean
from workflow.lib.verification import verdict_of

MILLION = 1_000_000  # tokens that a price is for


@dataclass(frozen=True)
class Price:
    """What a teacher asks for a million tokens, US dollars."""

    input: float
    output: float

    def of(self, rows: Iterable[Rationale]) -> float:
        """Return the price of ``rows``, each of them a request of its own, US dollars."""
        return sum(r.prompt_tokens * self.input + r.tokens * self.output for r in rows) / MILLION


@dataclass(frozen=True)
class Arm:
    """How one teacher did with one prompt."""

    teacher: str
    prompt: str
    problems: int
    samples: int
    right: int
    unparsed: int
    truncated: int
    tokens: int  # sampled
    prompt_tokens: int  # of all samples, as if none shared its prompt with another
    usd: float | None  # None: the teacher has no price
    mean_steps: float  # sentences or lines that do not state the answer, per sample
    mean_words: float  # per sample
    mean_repetition: float  # share of repeated 4-grams, 0 … 1

    def cost(self) -> tuple[float, float, str]:
        """Return a key that puts the cheapest arm first: dollars per right answer, or else tokens."""
        return self._per_right(self.tokens if self.usd is None else self.usd), -self.right, self.prompt

    def rank(self) -> tuple[float, float, str]:
        """Return a key that puts the best arm first; compare only arms of one teacher and slice."""
        return -self.right / self.samples, self._per_right(self.tokens), self.prompt

    def _per_right(self, amount: float) -> float:
        return amount / self.right if self.right else float("inf")

    def row(self) -> dict[str, Any]:
        """Return the arm with its shares, and what a right answer costs (null without any, or any price)."""
        each = self.tokens / self.right if self.right else None
        dollars = self.usd / self.right if self.right and self.usd is not None else None
        return {
            **asdict(self),
            "unparsed_rate": self.unparsed / self.samples,
            "truncated_rate": self.truncated / self.samples,
            "tokens_per_right": each,
            "usd_per_right": dollars,
        }


@dataclass(frozen=True)
class Entry:
    """An arm with what the slice says about it beyond its own problems."""

    arm: Arm
    accuracy: Estimate  # right answers among those that could be read
    yields: Estimate  # right answers among all samples
    difference: Estimate  # in yield to the best arm of the teacher, paired
    tied: bool  # with the best arm: the difference may be zero

    def row(self) -> dict[str, Any]:
        """Return the entry as a row of the choice file."""
        return {
            **self.arm.row(),
            "tied": self.tied,
            "interval": self.difference.interval,
            **self.yields.columns("yield"),
            **self.accuracy.columns("accuracy"),
            **self.difference.columns("difference"),
        }


def best_yield(entries: Sequence[Entry]) -> Arm:
    """Return the best arm of one teacher."""
    return min((e.arm for e in entries), key=Arm.rank)


def cheapest_in_tie_group(entries: Sequence[Entry]) -> Arm:
    """Return the cheapest of the arms that may be as good as the best."""
    return min((e.arm for e in entries if e.tied), key=Arm.cost)


RULES: dict[str, Callable[[Sequence[Entry]], Arm]] = {
    "best_yield": best_yield,
    "cheapest_in_tie_group": cheapest_in_tie_group,
}
IN_WORDS = {
    "best_yield": "best yield (right / samples asked); ties by fewer tokens per right answer, then by name",
    "cheapest_in_tie_group": "cheapest per right answer (dollars, or tokens where there is no price) among "
    "the prompts whose paired difference in yield to the best one may be zero",
}


def arms_of(
    rationales: Iterable[Rationale], problems: Mapping[str, Problem], prices: Mapping[str, Price]
) -> dict[Arm, list[tuple[Rationale, str]]]:
    """Return every arm, ordered by teacher and prompt, with its samples and their verdicts.

    Args:
        rationales: The samples of all arms.
        problems: The problems asked, by id.
        prices: Price by teacher, where there is one.
    """
    groups: dict[tuple[str, str], list[tuple[Rationale, str]]] = defaultdict(list)
    for row in rationales:
        groups[row.teacher, row.prompt].append((row, verdict_of(row, problems[row.problem_id])[1]))
    return {_arm(*key, judged, prices): judged for key, judged in sorted(groups.items())}


def _arm(
    teacher: str, prompt: str, judged: Sequence[tuple[Rationale, str]], prices: Mapping[str, Price]
) -> Arm:
    rows, verdicts = [row for row, _ in judged], [verdict for _, verdict in judged]
    return Arm(
        teacher=teacher,
        prompt=prompt,
        problems=len({row.problem_id for row in rows}),
        samples=len(rows),
        right=verdicts.count("right"),
        unparsed=verdicts.count("unparsed"),
        truncated=verdicts.count("truncated"),
        tokens=sum(row.tokens for row in rows),
        prompt_tokens=sum(row.prompt_tokens for row in rows),
        usd=prices[teacher].of(rows) if teacher in prices else None,
        mean_steps=fmean(len(read(row.text).steps) for row in rows),
        mean_words=fmean(len(row.text.split()) for row in rows),
        mean_repetition=fmean(repetition(row.text) for row in rows),
    )


def entries_of(
    rationales: Iterable[Rationale],
    problems: Mapping[str, Problem],
    prices: Mapping[str, Price],
    settings: Settings,
) -> dict[str, list[Entry]]:
    """Return the entries of each teacher, ordered by prompt: see ``arms_of``."""
    arms = arms_of(rationales, problems, prices)
    found = {}
    for teacher in dict.fromkeys(arm.teacher for arm in arms):
        own = {arm: judged for arm, judged in arms.items() if arm.teacher == teacher}
        best = _scores(own[min(own, key=Arm.rank)])
        found[teacher] = [_entry(arm, judged, best, problems, settings) for arm, judged in own.items()]
    return found


def _scores(judged: Iterable[tuple[Rationale, str]]) -> dict[str, float]:
    """Return the share of right samples of each problem, by id."""
    right: dict[str, list[bool]] = defaultdict(list)
    for row, verdict in judged:
        right[row.problem_id].append(verdict == "right")
    return {key: fmean(right[key]) for key in sorted(right)}


def _entry(
    arm: Arm,
    judged: Sequence[tuple[Rationale, str]],
    best: Mapping[str, float],
    problems: Mapping[str, Problem],
    settings: Settings,
) -> Entry:
    scores = _scores(judged)
    if scores.keys() != best.keys():
        raise IntegrityError(
            f"teacher '{arm.teacher}': prompt '{arm.prompt}' was asked other problems than the best prompt. "
            "Fix: delete results/prompts of this dataset and run again."
        )
    groups = [problems[key].group_id for key in scores]
    parsed = [(row, verdict) for row, verdict in judged if verdict in ("right", "wrong")]
    hits = np.asarray([float(verdict == "right") for _, verdict in parsed])
    ours, theirs = np.asarray(list(scores.values())), np.asarray(list(best.values()))
    gap = difference(ours, theirs, groups, settings)
    return Entry(
        arm=arm,
        accuracy=mean(hits, [problems[row.problem_id].group_id for row, _ in parsed], settings),
        yields=mean(ours, groups, settings),
        difference=gap,
        tied=gap.may_be_zero(),
    )
