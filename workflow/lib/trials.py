"""The trials of a sweep: every combination of the values that a study lists for a method's settings."""

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

Grid = Mapping[str, Sequence[Any]]
MOST_TRIALS = 32  # of one method: a sweep is small, and the best of many on dev is more and more luck
# Settings that name what a training reads, or hold others: trials differ in how they learn, not in what from.
FIXED = ("learns_from", "start_from", "rewards", "held_out")


def points(grid: Grid) -> list[dict[str, Any]]:
    """Return the settings of every trial, in the order of the lists; the last key changes first."""
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def number_of(grid: Grid) -> int:
    """Return the number of trials, without making them."""
    return prod(len(values) for values in grid.values())


def in_words(point: Mapping[str, Any]) -> str:
    """Return the settings of one trial as a phrase, as ``beta 0.1, learning_rate 1e-06``."""
    return ", ".join(f"{key} {value}" for key, value in point.items())
