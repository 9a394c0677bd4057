"""The forest plot of paired differences."""

from pathlib import Path

from tests.figure_checks import check_files, check_nothing, drawn, marks, row_names
from tests.report_inputs import tables
from workflow.lib.figures import LOOKS, PAPER
from workflow.scripts.plot_deltas import NOTHING, TITLE, draw, main


def test_differences_stand_in_the_column_of_their_rival() -> None:
    base, sft = drawn(draw, tables()["deltas"]).axes
    assert row_names(base) == ["SFT", "DPO"]
    assert (marks(base)["s"], marks(base)["D"]) == ([(9, 0)], [(17, 1)])
    assert marks(base)["-"] == [(4, 14), (12, 22)]
    assert marks(sft)["D"] == [(8, 1)]
    assert [axis.get_title(loc="left") for axis in (base, sft)] == [
        *("logicbench, against Base", "logicbench, against SFT"),
    ]


def test_a_line_stands_at_zero_and_what_was_not_detected_is_hollow() -> None:
    base, sft = drawn(draw, tables()["deltas"]).axes
    assert list(base.lines[0].get_xdata()) == [0, 0]
    fills = [
        line.get_markerfacecolor() for axis in (base, sft) for line in axis.lines if line.get_marker() == "D"
    ]
    assert fills == [LOOKS["dpo"].colour, PAPER]


def test_files(tmp_path: Path) -> None:
    check_files(
        main, "deltas", tmp_path, TITLE, "95% cluster bootstrap", "n = 400 answers in 200 groups", "0.05"
    )


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "deltas", tmp_path, NOTHING)
