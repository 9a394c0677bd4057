"""The generators by the names that the config gives them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workflow.lib.generators import goals, gym, logic, puzzles

Plain = Callable[[Path, int, int, float], None]  # folder, seed, size, share of ambiguous problems
Generator = Callable[[Path, int, int, float, Mapping[str, Any]], None]  # and the options of the source


def without_options(write: Plain) -> Generator:
    """Return a generator that is told nothing but the seed and how much to write."""
    return lambda folder, seed, size, ambiguous, options: write(folder, seed, size, ambiguous)


GENERATORS: dict[str, Generator] = {
    "logic": without_options(logic.write),
    "goals": without_options(goals.write),
    "puzzles": without_options(puzzles.write),
    "reasoning_gym": gym.write,
}
