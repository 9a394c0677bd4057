"""The arithmetic of the tasks' own metrics."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TASKS = Path(__file__).parents[2] / "workflow/tasks"


def functions_of(folder: str) -> ModuleType:
    spec = spec_from_file_location(f"{folder}_utils", TASKS / folder / "utils.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asked(answer: str) -> dict[str, Any]:
    return {"choices": ["yes", "no"], "answer": answer, "verifier": "gold", "instance": ""}


def test_logicbench_metrics_of_one_problem() -> None:
    texts = ["The answer is no.", "The answer is yes.", "Perhaps.", "So the answer is No."]
    found = functions_of("logicbench").process_results(asked("no"), [texts])
    # Right: first and last of four; unreadable: one of four.
    assert found == {"accuracy": 0.5, "accuracy_no": 0.5, "balanced": ("no", 0.5), "unparsed": 0.25}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        # yes: (1 + 0) / 2 = 0.5; no: (1 + 1 + 1 + 0) / 4 = 0.75; balanced (0.5 + 0.75) / 2.
        ([("yes", 1), ("yes", 0), ("no", 1), ("no", 1), ("no", 1), ("no", 0)], 0.625),
        # Always "no" is right on 8 of 10, and balanced 0.5.
        ([("yes", 0)] * 2 + [("no", 1)] * 8, 0.5),
        ([("no", 1), ("no", 0)], 0.5),
    ],
    ids=["both", "always no", "one answer only"],
)
def test_balanced_is_the_mean_over_the_gold_answers(items: list[tuple[str, float]], expected: float) -> None:
    assert functions_of("logicbench").balanced(items) == pytest.approx(expected)


def test_a_puzzle_is_decided_by_its_verifier() -> None:
    instance = '{"names": ["Ann", "Bob", "Cy"], "before": [["Ann", "Bob"]]}'
    doc = {"choices": [], "answer": None, "verifier": "ordering", "instance": instance}
    texts = [
        "The answer is Ann, Bob, Cy.",
        "The answer is Cy, Ann, Bob.",
        "The answer is Bob, Ann, Cy.",
        "None.",
    ]
    # Two orders keep Ann before Bob, one does not, one cannot be read.
    assert functions_of("puzzlebench").process_results(doc, [texts]) == {"accuracy": 0.5, "unparsed": 0.25}
