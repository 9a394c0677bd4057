"""The figure of the lengths of right and wrong answers."""

from pathlib import Path

import pytest

from tests.figure_checks import check_files, check_nothing, drawn, marks, row_names
from tests.report_inputs import length, tables
from workflow.lib.figures import LOOKS, PAPER
from workflow.scripts.plot_lengths import NOTHING, TITLE, draw, main


def test_right_answers_stand_above_wrong_ones_on_the_row_of_their_method() -> None:
    (axis,) = drawn(draw, tables()["lengths"]).axes
    assert row_names(axis) == ["Base", "DPO"]
    assert marks(axis)["D"] == [(28, pytest.approx(0.84)), (34, pytest.approx(1.16))]
    assert marks(axis)["-"] == [(16, 20), (20, 24), (26, 30), (32, 36)]
    fills = [line.get_markerfacecolor() for line in axis.lines if line.get_marker() == "D"]
    assert fills == [LOOKS["dpo"].colour, PAPER]


def test_what_never_happened_has_no_mark_and_one_group_no_line() -> None:
    rows = [length("dpo", "all", 20.0), length("dpo", "right", 20.0) | {"low": "", "high": ""}]
    (axis,) = drawn(draw, [*rows, length("dpo", "wrong", 9.0) | {"tokens": ""}]).axes
    assert marks(axis) == {"D": [(20, pytest.approx(-0.16))]}


def test_files(tmp_path: Path) -> None:
    said = ("95% cluster bootstrap", "All answers: logicbench: n = 200 answers in 100 groups")
    check_files(main, "lengths", tmp_path, TITLE, *said)


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "lengths", tmp_path, NOTHING)
