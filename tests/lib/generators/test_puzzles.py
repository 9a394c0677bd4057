"""Puzzles with many solutions, in reasoning-gym's rows."""

import json
from itertools import permutations
from pathlib import Path
from random import Random

import pytest

from tests.raw_files import read
from workflow.lib.errors import DataError
from workflow.lib.generators import puzzles
from workflow.lib.generators.spaces import for_datasets
from workflow.lib.verifiers.orders import ordering


def test_solutions_are_all_orders_that_keep_the_constraints() -> None:
    rng = Random(1)
    for _ in range(50):
        drawn = puzzles.draw(rng)
        by_hand = [
            ", ".join(order)
            for order in permutations(drawn.names)
            if all(order.index(a) < order.index(b) for a, b in drawn.before)
        ]
        assert drawn.solutions == by_hand
        assert len(by_hand) > 1


def test_the_adapter_reads_the_rows_and_the_verifier_takes_the_answers(tmp_path: Path) -> None:
    puzzles.write(tmp_path, 4, 60, 0.0)
    problems = read("puzzle", tmp_path)
    assert len({p.question for p in problems}) == 60
    for p in problems:
        assert ordering(str(p.answer), p.instance)
        assert json.loads(p.instance)["solutions"] > 1
        assert for_datasets(p.question)
        backwards = ", ".join(reversed(str(p.answer).split(", ")))
        assert not ordering(backwards, p.instance)


def test_puzzles_cannot_be_ambiguous(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ambiguous: expected"):
        puzzles.write(tmp_path, 4, 10, 0.1)
