"""The accuracy figure."""

from pathlib import Path

from tests.figure_checks import check_files, check_nothing, drawn, marks, row_names
from tests.report_inputs import score, tables
from workflow.scripts.plot_accuracy import NOTHING, TITLE, draw, main


def test_marks_stand_at_the_estimates_and_lines_span_the_intervals() -> None:
    (axis,) = drawn(draw, tables()["accuracy"]).axes
    found = marks(axis)
    assert row_names(axis) == ["Base", "SFT", "DPO"]
    assert (found["o"], found["s"], found["D"]) == ([(55, 0)], [(64, 1)], [(72, 2)])
    assert found["-"] == [(50, 60), (59, 69), (67, 77)]
    assert len(found["."]) == 6  # three methods, two seeds


def test_every_task_has_its_panel_and_other_metrics_have_none() -> None:
    rows = [score("base"), score("sft"), score("sft", metric="unparsed"), score("base", task="qa")]
    axes = drawn(draw, rows).axes
    assert [axis.get_title(loc="left") for axis in axes] == ["logicbench", "qa"]
    assert "s" not in marks(axes[1])


def test_an_estimate_that_does_not_exist_is_not_drawn() -> None:
    missing = {"estimate": "", "low": "", "high": "", "interval": "n/a (no answers)"}
    (axis,) = drawn(draw, [score("base"), score("sft", **missing)]).axes
    assert row_names(axis) == ["Base"]


def test_files(tmp_path: Path) -> None:
    check_files(main, "accuracy", tmp_path, TITLE, "95% cluster bootstrap", "n = 400 answers in 200 groups")


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "accuracy", tmp_path, NOTHING)
