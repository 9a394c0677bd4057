"""The figure of the sweeps."""

from pathlib import Path

from tests.figure_checks import check_files, check_nothing, drawn, marks, row_names
from tests.report_inputs import tables
from workflow.lib.figures import PAPER
from workflow.scripts.plot_sweeps import NOTHING, TITLE, describe, draw, main


def test_every_trial_has_a_row_and_the_chosen_one_is_filled() -> None:
    (axis,) = drawn(draw, tables()["sweeps"]).axes
    assert row_names(axis) == ["beta 0.1", "beta 0.3", "beta 0.9"]
    assert marks(axis)["D"] == [(60, 0), (70, 1)]
    assert marks(axis)["-"] == [(55, 65), (65, 75)]
    fills = [line.get_markerfacecolor() for line in axis.lines if line.get_marker() == "D"]
    assert fills == [PAPER, "#aa3377"]
    assert [text.get_text() for text in axis.texts] == ["failed"]
    assert axis.get_title(loc="left") == "DPO · logicbench on dev"


def test_sweeps_have_panels_of_their_own_and_several_studies_are_named() -> None:
    rows = tables()["sweeps"]
    first, second = drawn(draw, [*rows, *[row | {"method": "orpo"} for row in rows[:2]]]).axes
    assert [len(row_names(axis)) for axis in (first, second)] == [3, 2]
    assert second.get_title(loc="left") == "ORPO · logicbench on dev"
    *_, other = drawn(draw, [*rows, *[row | {"model": "large"} for row in rows]]).axes
    assert other.get_title(loc="left") == "DPO · logicbench on dev · logic · large"


def test_the_caption_says_how_many_trials_there_were_and_that_dev_chose() -> None:
    said = describe(tables()["sweeps"]).caption
    assert "DPO: 3 trials with seed 1, 1 failed, n = 200 answers in 100 groups." in said
    assert said.endswith("The choice is made on dev alone.")
    assert "failed" not in describe(tables()["sweeps"][:2]).caption


def test_files(tmp_path: Path) -> None:
    check_files(main, "sweeps", tmp_path, TITLE, "95% cluster bootstrap", "Filled: chosen.")


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "sweeps", tmp_path, NOTHING)
