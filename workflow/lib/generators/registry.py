"""The generators by the names that the config gives them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workflow.lib.errors import DataError
from workflow.lib.generators import goals, gym, logic, puzzles
from workflow.lib.generators.flips import Flips

Plain = Callable[[Path, int, int, float], None]  # folder, seed, size, share of ambiguous problems
Told = Callable[[Path, int, int, float, Mapping[str, Any]], None]  # and the options of the source
Generator = Callable[[Path, int, int, float, Flips, Mapping[str, Any]], None]  # and the wrong labels


def without_options(write: Plain) -> Told:
    """Return a generator that is told nothing but the seed and how much to write."""
    return lambda folder, seed, size, ambiguous, options: write(folder, seed, size, ambiguous)


def without_flips(name: str, write: Told) -> Generator:
    """Return a generator that writes no wrong labels, and refuses to be asked for some."""

    def checked(
        folder: Path, seed: int, size: int, ambiguous: float, flips: Flips, options: Mapping[str, Any]
    ) -> None:
        for split, share in flips.wanted().items():
            raise DataError(f"{name}: flipped: {split}: expected 0.0, found {share}. Fix: set it to 0.0.")
        write(folder, seed, size, ambiguous, options)

    return checked


GENERATORS: dict[str, Generator] = {
    "logic": lambda folder, seed, size, ambiguous, flips, options: logic.write(
        folder, seed, size, ambiguous, flips
    ),
    "goals": without_flips("goals", without_options(goals.write)),
    "puzzles": without_flips("puzzles", without_options(puzzles.write)),
    "reasoning_gym": without_flips("reasoning_gym", gym.write),
}
