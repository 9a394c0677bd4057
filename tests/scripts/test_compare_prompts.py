"""The slice of dev that the tournament asks; the engine is tested with ``sample_rationales``."""

from dataclasses import replace

from tests.lib.test_verification import PROBLEM
from workflow.scripts.compare_prompts import slice_of

PROBLEMS = [replace(PROBLEM, problem_id=key) for key in ("c", "a", "d", "b")]


def test_the_slice_is_the_first_by_id_whatever_the_order() -> None:
    assert [p.problem_id for p in slice_of(PROBLEMS, 2)] == ["a", "b"]
    assert slice_of(PROBLEMS[::-1], 2) == slice_of(PROBLEMS, 2)


def test_a_slice_of_few_problems_is_all_of_them() -> None:
    assert len(slice_of(PROBLEMS, 9)) == 4
