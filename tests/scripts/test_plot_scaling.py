"""The figure of data-scaling curves."""

from pathlib import Path

from tests.figure_checks import check_files, check_nothing, drawn
from tests.report_inputs import tables
from workflow.scripts.plot_scaling import NOTHING, TITLE, draw, main


def test_a_trainer_with_several_shares_is_a_line_and_one_without_is_not() -> None:
    (axis,) = drawn(draw, tables()["scaling"]).axes
    lines = {
        tuple((float(x), round(float(y), 6)) for x, y in zip(*line.get_data(), strict=True))
        for line in axis.lines
    }
    assert ((150, 4.0), (600, 9.0)) in lines  # sft-quarter, then sft; dpo learned from all and is not drawn
    assert ((150, -1.0), (150, 9.0)) in lines and ((600, 4.0), (600, 14.0)) in lines
    assert [text.get_text() for text in axis.texts] == ["SFT"]


def test_files(tmp_path: Path) -> None:
    check_files(main, "scaling", tmp_path, TITLE, "95% cluster bootstrap", "every larger one")


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "scaling", tmp_path, NOTHING)
