"""From verified samples to what methods learn from: completions to imitate, pairs to prefer, prompts.

A strategy says what is good and what is bad for one problem; the same code then removes repetitions,
caps and counts. Strategies:

``right_vs_wrong``: good are the teacher's samples with the right answer, bad are those with a wrong one.
``gold_vs_wrong``: good is the text of the gold choice, bad are the texts of the other choices: for problems
whose choices are whole answers (PIQA). The choice text alone is the completion, as the log-likelihood
task scores it.

Samples that did not end by themselves, or without a readable answer, are on neither side. Every random
choice comes from the seed and the problem's id, so it does not depend on the other problems.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean, median
from typing import Any, TypeVar

from workflow.lib.records import Pair, Problem, Prompt, SftRow, Verified

Item = TypeVar("Item")


@dataclass(frozen=True)
class Sides:
    """The completions of one problem that a strategy calls good and bad, repetitions included."""

    good: list[str]
    bad: list[str]


@dataclass(frozen=True)
class Caps:
    """How much one problem may give, and the seed of the draw."""

    max_sft: int
    max_pairs: int
    seed: int


@dataclass(frozen=True)
class Asked:
    """A problem in the student's words, with what was drawn for it and the counts before every cut."""

    problem: Problem
    split: str
    text: str  # of the user turn
    completions: list[str]
    pairs: list[tuple[str, str]]  # (chosen, rejected)
    good: int  # completions, repetitions included
    distinct_good: int
    possible_pairs: int

    def row(self, kind: str, index: int) -> dict[str, str]:
        """Return the fields that SFT rows, pairs and prompts share."""
        return {
            "row_id": f"{self.problem.problem_id}/{kind}/{index}",
            "problem_id": self.problem.problem_id,
            "group_id": self.problem.group_id,
            "split": self.split,
            "category": self.problem.category,
            "prompt": self.text,
        }


Strategy = Callable[[Problem, Sequence[Verified]], Sides]


def right_vs_wrong(problem: Problem, samples: Sequence[Verified]) -> Sides:
    """Return the right and the wrong samples of ``problem`` that ended by themselves."""
    ended = [s for s in samples if s.finish_reason == "stop" and s.text.strip()]
    return Sides(
        good=[s.text.strip() for s in ended if s.verdict == "right"],
        bad=[s.text.strip() for s in ended if s.verdict == "wrong"],
    )


def gold_vs_wrong(problem: Problem, samples: Sequence[Verified]) -> Sides:
    """Return the gold choice of ``problem`` and the others; nothing where there is no gold choice."""
    if problem.answer not in problem.choices:
        return Sides([], [])
    others = [choice.strip() for choice in problem.choices if choice != problem.answer]
    return Sides(good=[problem.answer.strip()], bad=others)


STRATEGIES: dict[str, Strategy] = {"right_vs_wrong": right_vs_wrong, "gold_vs_wrong": gold_vs_wrong}


def draw(items: Sequence[Item], most: int, seed: int, *names: str) -> list[Item]:
    """Return up to ``most`` of ``items``, drawn by ``seed`` and ``names``, in their old order."""
    generator = random.Random("\x1f".join([str(seed), *names]))
    places = generator.sample(range(len(items)), min(most, len(items)))
    return [items[place] for place in sorted(places)]


def choose(problem: Problem, split: str, text: str, sides: Sides, caps: Caps) -> Asked:
    """Return ``problem`` with the completions and pairs drawn from ``sides``.

    A text that is both good and bad is on neither side, so chosen and rejected always differ.
    """
    good = [answer for answer in dict.fromkeys(sides.good) if answer not in sides.bad]
    bad = [answer for answer in dict.fromkeys(sides.bad) if answer not in sides.good]
    possible = list(product(good, bad))
    return Asked(
        problem=problem,
        split=split,
        text=text,
        completions=draw(good, caps.max_sft, caps.seed, "sft", problem.problem_id),
        pairs=draw(possible, caps.max_pairs, caps.seed, "pairs", problem.problem_id),
        good=len(sides.good),
        distinct_good=len(good),
        possible_pairs=len(possible),
    )


def by_problem(samples: Iterable[Verified]) -> dict[str, list[Verified]]:
    """Return the samples of each problem, in the order given."""
    groups: dict[str, list[Verified]] = {}
    for sample in samples:
        groups.setdefault(sample.problem_id, []).append(sample)
    return groups


def ambiguous_problems(samples: Mapping[str, Sequence[Verified]]) -> set[str]:
    """Return the problems whose samples were marked ambiguous at verification."""
    return {key for key, rows in samples.items() if rows[0].ambiguous}


def sft_rows(asked: Iterable[Asked]) -> list[SftRow]:
    """Return one row per completion."""
    return [SftRow(**a.row("sft", i), completion=text) for a in asked for i, text in enumerate(a.completions)]


def pair_rows(asked: Iterable[Asked]) -> list[Pair]:
    """Return one row per pair."""
    return [
        Pair(**a.row("pair", i), chosen=chosen, rejected=rejected)
        for a in asked
        for i, (chosen, rejected) in enumerate(a.pairs)
    ]


def prompt_rows(asked: Iterable[Asked]) -> list[Prompt]:
    """Return one row per problem, with what checks an answer to it."""
    return [
        Prompt(
            **a.row("prompt", 0),
            choices=a.problem.choices,
            answer=a.problem.answer,
            verifier=a.problem.verifier,
            instance=a.problem.instance,
        )
        for a in asked
    ]


def funnel(problems: int, asked: Sequence[Asked]) -> list[dict[str, Any]]:
    """Return rows in and out of every step from ``problems`` to the three files, with the reasons."""
    good, distinct = sum(a.good for a in asked), sum(a.distinct_good for a in asked)
    possible = sum(a.possible_pairs for a in asked)
    sft, pairs = sum(len(a.completions) for a in asked), sum(len(a.pairs) for a in asked)
    with_good = sum(a.distinct_good > 0 for a in asked)
    with_pair = sum(a.possible_pairs > 0 for a in asked)
    steps = [
        ("prompts", problems, len(asked), "ambiguous: the teachers' answers disagree too much"),
        ("problems with a good completion", len(asked), with_good, "no answer is right"),
        ("distinct good completions", good, distinct, "same text as another one of the problem"),
        ("sft", distinct, sft, "over max_sft_per_problem"),
        ("problems with a pair", len(asked), with_pair, "no answer is right, or none is wrong"),
        ("pairs", possible, pairs, "over max_pairs_per_problem"),
    ]
    return [
        {"step": step, "rows_in": rows_in, "rows_out": rows_out, "reason": reason}
        for step, rows_in, rows_out, reason in steps
    ]


def lengths(texts: Sequence[str]) -> dict[str, float | int]:
    """Return the number of texts and their mean and median length in characters and in words."""
    characters = [len(text) for text in texts]
    words = [len(text.split()) for text in texts]
    return {
        "texts": len(texts),
        "mean_characters": fmean(characters),
        "median_characters": median(characters),
        "mean_words": fmean(words),
        "median_words": median(words),
    }
