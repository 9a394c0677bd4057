"""The reliability diagrams."""

from pathlib import Path

from tests.figure_checks import check_files, check_nothing, drawn, marks
from tests.report_inputs import tables
from workflow.scripts.plot_reliability import NOTHING, TITLE, draw, main


def test_accuracy_stands_over_confidence_with_a_diagonal() -> None:
    base, dpo = drawn(draw, tables()["reliability"]).axes
    assert [axis.get_title(loc="left") for axis in (base, dpo)] == ["Base", "DPO"]
    assert marks(dpo) == {"D": [(55, 50), (95, 75)]}
    diagonal, *lines = (line.get_data() for line in dpo.lines if len(line.get_xdata()) == 2)
    assert [list(ends) for ends in diagonal] == [[0, 100], [0, 100]]
    found = [[round(float(x), 6) for x in ends] for line in lines for ends in line]
    assert found == [[55, 55], [45, 55], [95, 95], [70, 80]]  # the intervals: 5 points up and down


def test_several_tasks_are_named_and_bins_without_interval_are_marks() -> None:
    rows = tables()["reliability"]
    other = [row | {"task": "quiz", "low": "", "high": ""} for row in rows if row["method"] == "dpo"]
    axes = drawn(draw, [*rows, *other]).axes
    assert [axis.get_title(loc="left") for axis in axes] == ["piqa, Base", "piqa, DPO", "quiz, DPO"]
    assert len(axes[2].lines) == 3  # the diagonal and two marks


def test_files(tmp_path: Path) -> None:
    check_files(main, "reliability", tmp_path, TITLE, "95% cluster bootstrap", "n from 40 answers on")


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "reliability", tmp_path, NOTHING)
