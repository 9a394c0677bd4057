"""The figure of rows in and out."""

from pathlib import Path

from tests.figure_checks import check_files, check_nothing, drawn, row_names
from tests.report_inputs import tables
from workflow.scripts.plot_funnel import NOTHING, TITLE, draw, main


def test_a_bar_for_the_rows_out_lies_on_one_for_the_rows_in() -> None:
    row = tables()["funnel"][0]
    rows = [row, row | {"step": "leakage", "rows_in": "1462", "rows_out": "1400"}, row | {"stage": "pairs"}]
    (axis,) = drawn(draw, rows).axes
    assert [bar.get_width() for bar in axis.patches] == [1500, 1462, 1462, 1400, 1500, 1462]
    assert row_names(axis) == ["logic · data: duplicates", "leakage", "logic · pairs: duplicates"]
    assert [text.get_text() for text in axis.texts] == ["1,500 → 1,462", "1,462 → 1,400", "1,500 → 1,462"]


def test_files(tmp_path: Path) -> None:
    check_files(main, "funnel", tmp_path, TITLE, "1 step", "no interval")


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "funnel", tmp_path, NOTHING)
