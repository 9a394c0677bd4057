"""From good and bad completions to what methods learn from: completions to imitate, pairs, prompts.

A strategy (``workflow.lib.sides``) says what is good and what is bad for one problem, or a dataset brings
its pairs along (``workflow.lib.given``); the same code then removes repetitions, chooses, caps and counts.

Every random choice comes from the seed and the problem's id, so it does not depend on the other problems.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from workflow.lib.lengths import words
from workflow.lib.records import Pair, Problem, Prompt, SftRow, Verified
from workflow.lib.sides import Completion, Sides

Item = TypeVar("Item")
Option = tuple[Completion, Completion]  # what may be a pair: chosen, rejected


class Crossed(Sequence[Option]):
    """Every good completion with every bad one, made when asked for: there may be millions."""

    def __init__(self, good: Sequence[Completion], bad: Sequence[Completion]) -> None:
        """Cross ``good`` and ``bad``; the bad ones change fastest."""
        self._good, self._bad = good, bad

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._good) * len(self._bad)

    @overload
    def __getitem__(self, index: int) -> Option: ...
    @overload
    def __getitem__(self, index: slice) -> list[Option]: ...
    def __getitem__(self, index: int | slice) -> Option | list[Option]:
        """Return one pair or several."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        return self._good[place // len(self._bad)], self._bad[place % len(self._bad)]


@dataclass(frozen=True)
class Choice:
    """Which of a problem's completions and pairs are taken, and how many."""

    max_sft: int
    sft_length: str  # a name in SFT_CHOICES
    max_pairs: int
    pair_choice: str  # a name in PAIR_CHOICES
    seed: int


@dataclass(frozen=True)
class Asked:
    """A problem in the student's words, with what was taken for it and the counts before every cut."""

    problem: Problem
    split: str
    text: str  # of the user turn
    completions: list[Completion]
    pairs: list[Option]
    options: Sequence[Option]  # that the pairs were chosen from
    good: int  # completions, repetitions included
    distinct_good: int

    def row(self, kind: str, index: int, problem_id: str) -> dict[str, str]:
        """Return the fields that SFT rows, pairs and prompts share."""
        return {
            "row_id": f"{problem_id}/{kind}/{index}",
            "problem_id": problem_id,
            "group_id": self.problem.group_id,
            "split": self.split,
            "category": self.problem.category,
            "prompt": self.text,
        }


def draw(items: Sequence[Item], most: int, seed: int, *names: str) -> list[Item]:
    """Return up to ``most`` of ``items``, drawn by ``seed`` and ``names``, in their old order."""
    generator = random.Random("\x1f".join([str(seed), *names]))
    places = generator.sample(range(len(items)), min(most, len(items)))
    return [items[place] for place in sorted(places)]


def ranks(items: Sequence[Item], rank: Callable[[Item], float], seed: int, *names: str) -> list[int]:
    """Return the places of ``items`` from the lowest rank to the highest, equal ones as ``seed`` draws."""
    generator = random.Random("\x1f".join([str(seed), *names]))
    return sorted(generator.sample(range(len(items)), len(items)), key=lambda place: rank(items[place]))


def lowest(rank: Callable[[Item], float]) -> Callable[[Sequence[Item], int, int, str, str], list[Item]]:
    """Return a choice of the items with the lowest ``rank``, in their old order."""

    def choice(items: Sequence[Item], most: int, seed: int, kind: str, name: str) -> list[Item]:
        return [items[place] for place in sorted(ranks(items, rank, seed, kind, name)[:most])]

    return choice


def spread(items: Sequence[Completion], most: int, seed: int, kind: str, name: str) -> list[Completion]:
    """Return the middle one of each of ``most`` equal parts of ``items`` by length, in their old order.

    The short ones then count as much as the long ones; of n items in m parts it is number (2i + 1) n / 2m.
    """
    order, parts = ranks(items, _length, seed, kind, name), min(most, len(items))
    places = [order[(2 * part + 1) * len(items) // (2 * parts)] for part in range(parts)]
    return [items[place] for place in sorted(places)]


def gap(option: Option) -> int:
    """Return by how many words the chosen text is longer than the rejected one."""
    return words(option[0].text) - words(option[1].text)


def _length(found: Completion) -> float:
    return words(found.text)


def _distance(option: Option) -> float:
    return abs(gap(option))


def _unlikeliness(option: Option) -> float:
    return unlikeliness(option[1])


def unlikeliness(found: Completion) -> float:
    """Return minus the mean log-probability per token; infinity where nobody told."""
    return float("inf") if found.logprob is None else -found.logprob


SFT_CHOICES: dict[str, Callable[[Sequence[Completion], int, int, str, str], list[Completion]]] = {
    "none": draw,
    "shortest": lowest(_length),
    "balanced": spread,
}
PAIR_CHOICES: dict[str, Callable[[Sequence[Option], int, int, str, str], list[Option]]] = {
    "random": draw,
    "nearest_length": lowest(_distance),
    "hardest_negative": lowest(_unlikeliness),
}


def no_margin(chosen: Completion, rejected: Completion) -> float | None:
    """Return nothing: pairs count alike."""
    return None


def vote_margin(chosen: Completion, rejected: Completion) -> float | None:
    """Return the lead of the chosen answer in the vote; the weight of ScPO (arXiv 2411.04109, section 2)."""
    if chosen.votes is None or rejected.votes is None:
        return None
    return chosen.votes - rejected.votes


def logprob_margin(chosen: Completion, rejected: Completion) -> float | None:
    """Return how much likelier the chosen text was, per token, in nats."""
    if chosen.logprob is None or rejected.logprob is None:
        return None
    return chosen.logprob - rejected.logprob


MARGINS = {"none": no_margin, "votes": vote_margin, "logprob": logprob_margin}


def distinct(found: Iterable[Completion]) -> list[Completion]:
    """Return each text once, where it first stands, as its likeliest sample."""
    best: dict[str, Completion] = {}
    for item in found:
        if unlikeliness(item) < unlikeliness(best.setdefault(item.text, item)):
            best[item.text] = item
    return list(best.values())


def choose(problem: Problem, split: str, text: str, sides: Sides, choice: Choice) -> Asked:
    """Return ``problem`` with the completions and pairs taken from ``sides``.

    A text that is both good and bad is on neither side, so chosen and rejected always differ.
    """
    texts = {found.text for found in sides.good} & {found.text for found in sides.bad}
    good = [found for found in distinct(sides.good) if found.text not in texts]
    bad = [found for found in distinct(sides.bad) if found.text not in texts]
    return take(problem, split, text, good, Crossed(good, bad), len(sides.good), choice)


def take(
    problem: Problem,
    split: str,
    text: str,
    good: Sequence[Completion],
    options: Sequence[Option],
    repeated: int,
    choice: Choice,
) -> Asked:
    """Return ``problem`` with completions from ``good`` and pairs from ``options``.

    Args:
        problem: Whose id the choice depends on.
        split: Where its rows go.
        text: Of the user turn.
        good: Distinct completions to imitate.
        options: All possible pairs.
        repeated: Good completions before repetitions were removed.
        choice: How many are taken, and which.
    """
    pick, pair = SFT_CHOICES[choice.sft_length], PAIR_CHOICES[choice.pair_choice]
    return Asked(
        problem=problem,
        split=split,
        text=text,
        completions=pick(good, choice.max_sft, choice.seed, "sft", problem.problem_id),
        pairs=pair(options, choice.max_pairs, choice.seed, "pairs", problem.problem_id),
        options=options,
        good=repeated,
        distinct_good=len(good),
    )


def by_problem(samples: Iterable[Verified]) -> dict[str, list[Verified]]:
    """Return the samples of each problem, in the order given."""
    groups: dict[str, list[Verified]] = {}
    for sample in samples:
        groups.setdefault(sample.problem_id, []).append(sample)
    return groups


def ambiguous_problems(samples: Mapping[str, Sequence[Verified]]) -> set[str]:
    """Return the problems whose samples were marked ambiguous at verification."""
    return {key for key, rows in samples.items() if any(row.ambiguous for row in rows)}


def sft_rows(asked: Iterable[Asked]) -> list[SftRow]:
    """Return one row per completion."""
    return [
        SftRow(**a.row("sft", i, found.problem_id), completion=found.text)
        for a in asked
        for i, found in enumerate(a.completions)
    ]


def pair_rows(asked: Iterable[Asked], margin: str) -> list[Pair]:
    """Return one row per pair, with its margin by the rule of that name."""
    return [
        Pair(
            **a.row("pair", i, chosen.problem_id),
            chosen=chosen.text,
            rejected=rejected.text,
            margin=MARGINS[margin](chosen, rejected),
        )
        for a in asked
        for i, (chosen, rejected) in enumerate(a.pairs)
    ]


def prompt_rows(asked: Iterable[Asked]) -> list[Prompt]:
    """Return one row per problem, with what checks an answer to it."""
    return [
        Prompt(
            **a.row("prompt", 0, a.problem.problem_id),
            choices=a.problem.choices,
            answer=a.problem.answer,
            verifier=a.problem.verifier,
            instance=a.problem.instance,
        )
        for a in asked
    ]


def step(name: str, rows_in: int, rows_out: int, reason: str) -> dict[str, Any]:
    """Return one step of a funnel."""
    return {"step": name, "rows_in": rows_in, "rows_out": rows_out, "reason": reason}


def funnel(problems: int, asked: Sequence[Asked], none_good: str) -> list[dict[str, Any]]:
    """Return rows in and out of every step from ``problems`` to the three files, with the reasons."""
    with_good = sum(a.distinct_good > 0 for a in asked)
    with_pair = sum(len(a.options) > 0 for a in asked)
    sft, pairs = cuts(asked)
    return [
        step("prompts", problems, len(asked), "ambiguous: the teachers' answers disagree too much"),
        step("problems with a good completion", len(asked), with_good, none_good),
        *sft,
        step("problems with a pair", len(asked), with_pair, f"{none_good}, or none is worse"),
        *pairs,
    ]


def cuts(asked: Sequence[Asked]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the last steps to SFT rows and to pairs."""
    good, different = sum(a.good for a in asked), sum(a.distinct_good for a in asked)
    taken, options = sum(len(a.completions) for a in asked), sum(len(a.options) for a in asked)
    pairs, same = sum(len(a.pairs) for a in asked), "same text as another one of the problem, or as a bad one"
    return (
        [
            step("distinct good completions", good, different, same),
            step("sft", different, taken, "over max_sft_per_problem"),
        ],
        [step("pairs", options, pairs, "over max_pairs_per_problem")],
    )
