"""The figure of selective accuracy."""

from pathlib import Path

from tests.figure_checks import check_files, check_nothing, drawn, marks
from tests.report_inputs import tables
from workflow.scripts.plot_selective import NOTHING, TITLE, draw, main


def test_accuracy_stands_over_the_share_that_is_answered() -> None:
    base, dpo = drawn(draw, tables()["selective"]).axes
    assert [axis.get_title(loc="left") for axis in (base, dpo)] == ["Base", "DPO"]
    assert marks(dpo)["D"] == [(50, 80), (100, 60)]
    line, dashed, *_ = dpo.lines
    assert [list(map(float, values)) for values in line.get_data()] == [[50, 100], [80, 60]]
    assert list(dashed.get_ydata()) == [60, 60]  # of all answers


def test_files(tmp_path: Path) -> None:
    said = ("95% cluster bootstrap", "All answers: piqa: n = 40 answers in 20 groups")
    check_files(main, "selective", tmp_path, TITLE, *said)


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "selective", tmp_path, NOTHING)
