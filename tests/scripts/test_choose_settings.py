"""The file of a choice: the trial, its settings, and the table that it was chosen from."""

from pathlib import Path
from typing import Any

import pytest

from tests.hand_samples import sample, write_samples
from workflow.lib.files import read_json, write_json
from workflow.scripts.choose_settings import main

SWEEP = {
    "seed": 1,
    "task": "quiz",
    "problems": 8,
    "rule": "best_accuracy",
    "intervals": {"resamples": 200, "confidence": 0.95, "seed": 3},
}
RIGHT = [5, 7, None, 6]  # of eight problems; the third trial failed


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    for number, right in enumerate(RIGHT):
        failure = "a gradient is not finite" if right is None else None
        outcome = {"trial": number, "settings": {"beta": number / 10}, "failure": failure}
        write_json(tmp_path / f"trial-{number}/trial.json", outcome)
        answers = [
            sample(method="dpo", problem_id=f"p{i}", group_id=f"g{i}", score=float(i < (right or 0)))
            for i in range(8)
        ]
        if right is not None:
            write_samples(tmp_path / f"scores/trial-{number}.parquet", answers)
    return {
        "trials": [str(tmp_path / f"trial-{number}") for number in range(len(RIGHT))],
        "scores": str(tmp_path / "scores"),
        "choice": str(tmp_path / "choice.json"),
        "sweep": SWEEP,
        **{"dataset": "logic", "model": "tiny", "method": "dpo"},
    }


def test_the_file_holds_the_choice_the_rule_and_every_trial(given: dict[str, Any]) -> None:
    main(**given)
    found = read_json(given["choice"])
    assert (found["trial"], found["settings"]) == (1, {"beta": 0.1})
    assert (found["trials"], found["failed"], found["seed"], found["task"]) == (4, 1, 1, "quiz")
    assert found["rule_in_words"].startswith("highest accuracy on dev")
    assert [(r["trial"], r["settings"]["beta"], r["accuracy"], r["n"]) for r in found["table"]] == [
        *[(0, 0.0, 5 / 8, 8), (1, 0.1, 7 / 8, 8), (2, 0.2, None, 0), (3, 0.3, 6 / 8, 8)],
    ]
    assert [row["failure"] for row in found["table"]] == [None, None, "a gradient is not finite", None]


def test_the_rule_of_the_config_decides(given: dict[str, Any]) -> None:
    # 2 of 8 problems apart: a resample without either has probability (6 / 8) ** 8 = 0.1
    main(**{**given, "sweep": {**SWEEP, "rule": "first_in_tie_group"}})
    assert read_json(given["choice"])["trial"] == 0


def test_the_same_scores_give_the_same_bytes(given: dict[str, Any]) -> None:
    main(**given)
    first = Path(given["choice"]).read_bytes()
    main(**given)
    assert Path(given["choice"]).read_bytes() == first
