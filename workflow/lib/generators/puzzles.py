"""Puzzles with many solutions, as JSON Lines in the shape of reasoning-gym: put people in order."""

import json
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

from workflow.lib.errors import DataError
from workflow.lib.files import write_jsonl
from workflow.lib.generators.spaces import for_datasets
from workflow.lib.generators.words import NAMES
from workflow.lib.verifiers.orders import ordering

PEOPLE = (3, 4)
CONSTRAINTS = (1, 2)


@dataclass(frozen=True)
class Puzzle:
    """People to put in order, who comes before whom, and every order that the verifier accepts."""

    names: list[str]
    before: list[list[str]]
    solutions: list[str]

    @property
    def instance(self) -> dict[str, Any]:
        """What the verifier needs to know."""
        return {"names": self.names, "before": self.before}

    @property
    def question(self) -> str:
        """The puzzle in words."""
        listed = f"{', '.join(self.names[:-1])} and {self.names[-1]}"
        rules = " ".join(f"{a} comes before {b}." for a, b in self.before)
        return f"In which order can {listed} come? {rules}"


def draw(rng: Random) -> Puzzle:
    """Return a puzzle with at least two solutions."""
    names = rng.sample(NAMES, rng.choice(PEOPLE))
    hidden = rng.sample(names, len(names))
    pairs = [[a, b] for i, a in enumerate(hidden) for b in hidden[i + 1 :]]
    before = rng.sample(pairs, rng.choice(CONSTRAINTS))
    instance = json.dumps({"names": names, "before": before})
    orders = (", ".join(order) for order in permutations(names))
    solutions = [order for order in orders if ordering(order, instance)]
    return Puzzle(names, before, solutions) if len(solutions) > 1 else draw(rng)


def write(folder: Path, seed: int, size: int, ambiguous: float) -> None:
    """Write ``size`` puzzles; ``ambiguous`` must be 0, as a verifier decides and many answers are right."""
    if ambiguous:
        raise DataError(f"puzzles: ambiguous: expected 0.0, found {ambiguous}. Fix: set it to 0.0.")
    rng = Random(seed)
    found: dict[str, Puzzle] = {}
    while len(found) < size:
        puzzle = draw(rng)
        if for_datasets(puzzle.question):
            found[puzzle.question] = puzzle
    rows = [
        {
            "generator": "ordering",
            "seed": seed,
            "index": index,
            "config": {"people": list(PEOPLE), "constraints": list(CONSTRAINTS)},
            "question": question,
            "answer": puzzle.solutions[0],
            "metadata": {**puzzle.instance, "solutions": len(puzzle.solutions)},
        }
        for index, (question, puzzle) in enumerate(found.items())
    ]
    write_jsonl(folder / "puzzles.jsonl", rows)
    write_jsonl(folder / "planted.jsonl", [])
