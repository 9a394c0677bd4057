"""The heat map of categories."""

from pathlib import Path

from tests.figure_checks import check_files, check_nothing, drawn, row_names
from tests.report_inputs import score, tables
from workflow.scripts.plot_categories import NOTHING, ON_BRIGHT, ON_DEEP, TITLE, draw, main


def test_cells_hold_estimate_and_interval_and_rules_are_left_to_the_table() -> None:
    (axis,) = drawn(draw, tables()["categories"]).axes
    assert row_names(axis) == ["first_order  (n = 400)"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["Base", "SFT", "DPO"]
    found = {(round(t.get_position()[0]), t.get_text()) for t in axis.texts}
    assert found == {
        *((0, "55.0"), (0, "[50.0, 60.0]"), (1, "64.0"), (1, "[59.0, 69.0]")),
        *((2, "72.0"), (2, "[67.0, 77.0]")),
    }
    assert len(axis.collections) == 3


def test_text_is_dark_on_light_cells_and_light_on_dark_ones() -> None:
    rows = [score("base", estimate="0.1", category="c"), score("sft", estimate="0.9", category="c")]
    (axis,) = drawn(draw, rows).axes
    assert {t.get_text(): t.get_color() for t in axis.texts if "[" not in t.get_text()} == {
        "10.0": ON_DEEP,
        "90.0": ON_BRIGHT,
    }


def test_files(tmp_path: Path) -> None:
    check_files(main, "categories", tmp_path, TITLE, "95% cluster bootstrap", "exploratory", "n: answers")


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "categories", tmp_path, NOTHING)
