"""All trials of all sweeps in one table; what a failed trial never measured is an empty cell."""

from pathlib import Path

import pytest

from workflow.lib.files import read_csv, write_json
from workflow.scripts.collect_sweeps import COLUMNS, main


def entry(number: int, accuracy: float | None) -> dict[str, object]:
    """Return a row of a choice file; without an accuracy the trial failed."""
    known = accuracy is not None
    numbers = {"accuracy": accuracy, "difference": accuracy and round(accuracy - 0.75, 6)}
    bounds = {f"{name}_{end}": value for name, value in numbers.items() for end in ("low", "high")}
    return {
        **numbers,
        **bounds,
        "trial": number,
        "settings": {"beta": 0.1, "learning_rate": 10.0 ** -(6 + number)},
        "failure": None if known else "loss is nan",
        "n": 8 * known,
        "groups": 4 * known,
        "interval": "95% cluster bootstrap" if known else "n/a (failed)",
        "tied": accuracy == 0.75,
    }


def write_sweep(folder: Path, accuracies: list[float | None]) -> tuple[str, list[str]]:
    """Write a choice file and the folders of its trials; return their paths."""
    about = {"dataset": "logic", "model": "tiny", "method": folder.name, "task": "quiz", "seed": 1}
    table = [entry(number, accuracy) for number, accuracy in enumerate(accuracies)]
    write_json(folder / "choice.json", {**about, "trials": len(table), "trial": 1, "table": table})
    trials = [folder / f"trial-{number}" for number in range(len(table))]
    for row, trial in zip(table, trials, strict=True):
        write_json(trial / "trial.json", {"failure": row["failure"]})
        if row["failure"] is None:
            write_json(trial / "run.json", {"seconds_total": 61.5, "gpu_hours": 0.25, "tokens": 9})
    return str(folder / "choice.json"), list(map(str, trials))


def test_every_trial_has_a_row_with_its_cost_and_what_became_of_it(tmp_path: Path) -> None:
    dpo, trials = write_sweep(tmp_path / "dpo", [0.5, 0.75, None])
    orpo, others = write_sweep(tmp_path / "orpo", [0.25, 0.75])
    main(choices=[dpo, orpo], trials=[*trials, *others], sweeps=str(tmp_path / "sweeps.csv"))
    rows = read_csv(tmp_path / "sweeps.csv")
    assert [(r["method"], r["trial"], r["trials"]) for r in rows] == [
        *[("dpo", "0", "3"), ("dpo", "1", "3"), ("dpo", "2", "3")],
        *[("orpo", "0", "2"), ("orpo", "1", "2")],
    ]
    assert [r["chosen"] for r in rows] == ["false", "true", "false", "false", "true"]
    assert [r["tied"] for r in rows] == ["false", "true", "false", "false", "true"]
    assert [r["estimate"] for r in rows] == ["0.5", "0.75", "", "0.25", "0.75"]
    assert [r["difference"] for r in rows] == ["-0.25", "0.0", "", "-0.5", "0.0"]
    assert [r["seconds_total"] for r in rows] == ["61.5", "61.5", "", "61.5", "61.5"]
    assert rows[0]["settings"] == "beta 0.1, learning_rate 1e-06"
    assert (rows[2]["failure"], rows[2]["n"], rows[2]["interval"]) == ("loss is nan", "0", "n/a (failed)")
    assert (rows[0]["low"], rows[0]["difference_high"], rows[0]["gpu_hours"]) == ("0.5", "-0.25", "0.25")


def test_a_study_without_sweeps_has_an_empty_table(tmp_path: Path) -> None:
    main(choices=[], trials=[], sweeps=str(tmp_path / "sweeps.csv"))
    assert (tmp_path / "sweeps.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_trials_and_rows_must_match(tmp_path: Path) -> None:
    choice, trials = write_sweep(tmp_path / "dpo", [0.5, 0.75])
    with pytest.raises(ValueError, match="zip"):
        main(choices=[choice], trials=trials[:1], sweeps=str(tmp_path / "sweeps.csv"))
