"""Splits by group that never move: where a group goes depends on its own text and the seed alone."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from workflow.lib.records import Problem

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Shares:
    """Seed, and the shares of dev and test; train is the rest."""

    seed: int
    dev: float
    test: float


def position(seed: int, group: str) -> float:
    """Return a number in [0, 1) that depends on the seed and the group alone."""
    digest = hashlib.sha256(f"{seed}\x1f{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_of(group: str, into: str, shares: Shares) -> str:
    """Return the split of a group whose source may enter ``into``: all, train (and dev), or test.

    Without test, dev keeps its share of what is not test, so that both kinds of source can be joined.
    """
    place = position(shares.seed, group)
    if into == "test":
        return "test"
    test = shares.test if into == "all" else 0.0
    if place < test:
        return "test"
    dev = shares.dev if into == "all" or shares.test == 1.0 else shares.dev / (1.0 - shares.test)
    return "dev" if place < test + dev else "train"


def without_duplicates(problems: Iterable[Problem]) -> tuple[list[Problem], int, list[str]]:
    """Return problems with different texts, how many repeats were dropped, and conflicts of gold.

    Two problems are the same when context, question and choices are, apart from case and spacing. The
    first of them stays. Where the same text has two gold answers neither stays: nobody can be right.
    """
    by_text: dict[tuple[str, ...], list[Problem]] = {}
    for problem in problems:
        by_text.setdefault(text_key(problem), []).append(problem)
    kept, repeats, conflicts = [], 0, []
    for same in by_text.values():
        if len({problem.answer for problem in same}) > 1:
            conflicts += [problem.source for problem in same]
        else:
            kept.append(same[0])
            repeats += len(same) - 1
    return kept, repeats, conflicts


def text_key(problem: Problem) -> tuple[str, ...]:
    """Return what two problems must share to be the same question."""
    texts = [problem.context, problem.question, *problem.choices]
    return tuple(" ".join(text.casefold().split()) for text in texts)


def apart(by_split: dict[str, list[Problem]]) -> tuple[dict[str, list[Problem]], int]:
    """Take from train and dev every group that test has too; return the splits and how many rows went."""
    held_out = {problem.group_id for problem in by_split["test"]}
    clean = {
        split: [p for p in problems if split == "test" or p.group_id not in held_out]
        for split, problems in by_split.items()
    }
    gone = sum(len(by_split[split]) - len(clean[split]) for split in SPLITS)
    return clean, gone
