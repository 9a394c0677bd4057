"""The figure of gains over costs."""

from pathlib import Path

from tests.figure_checks import check_files, check_nothing, drawn, marks
from tests.report_inputs import gain_for_cost, tables
from workflow.scripts.plot_efficiency import NOTHING, TITLE, draw, main


def test_gains_stand_over_hours_and_are_named() -> None:
    (axis,) = drawn(draw, tables()["efficiency"]).axes
    assert (marks(axis)["s"], marks(axis)["D"]) == ([(0.5, 9)], [(2, 17)])
    upright = [line.get_data() for line in axis.lines if len(set(map(float, line.get_ydata()))) == 2]
    assert [[round(float(x), 6) for ends in line for x in ends] for line in upright] == [
        *([0.5, 0.5, 4, 14], [2, 2, 12, 22]),
    ]
    assert [text.get_text() for text in axis.texts] == ["SFT", "DPO"]
    assert (axis.get_xlabel(), axis.get_xlim()[0]) == ("hours per seed", 0)


def test_hours_of_a_gpu_are_drawn_instead_where_they_were_measured() -> None:
    rows = [*tables()["efficiency"], gain_for_cost("dpo", "GPU hours", 4.0, "sft")]
    (axis,) = drawn(draw, rows).axes
    assert {key: value for key, value in marks(axis).items() if key != "-"} == {"D": [(4, 17)]}
    assert axis.get_xlabel() == "GPU hours per seed"


def test_files(tmp_path: Path) -> None:
    said = ("95% cluster bootstrap", "n = 400 answers in 200 groups")
    check_files(main, "efficiency", tmp_path, TITLE, *said)


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "efficiency", tmp_path, NOTHING)
