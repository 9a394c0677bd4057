"""The generators by the names that the config gives them."""

from collections.abc import Callable
from pathlib import Path

from workflow.lib.generators import goals, logic, puzzles

Generator = Callable[[Path, int, int, float], None]  # folder, seed, size, share of ambiguous problems
GENERATORS: dict[str, Generator] = {"logic": logic.write, "goals": goals.write, "puzzles": puzzles.write}
