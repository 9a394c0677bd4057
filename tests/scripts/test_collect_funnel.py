"""Steps of all cards in one table."""

import pytest

from workflow.lib.errors import DataError
from workflow.lib.files import read_csv, write_json
from workflow.scripts import collect_funnel

STEP = {"step": "duplicates", "rows_in": 10, "rows_out": 8, "reason": "same text, again"}


def run(tmp_path, *cards):
    for number, card in enumerate(cards):
        write_json(tmp_path / f"{number}.json", card)
    paths = [str(tmp_path / f"{number}.json") for number in range(len(cards))]
    collect_funnel.main(cards=paths, funnel=str(tmp_path / "funnel.csv"))
    return read_csv(tmp_path / "funnel.csv")


def test_steps_keep_their_order_and_choices_have_none(tmp_path):
    rows = run(
        tmp_path,
        {"dataset": "logic", "stage": "data", "funnel": [STEP, STEP | {"step": "leakage", "extra": 1}]},
        {"dataset": "logic", "choices": {"tiny": {"prompt": "cot", "kept": True}}},
        {"dataset": "goals", "stage": "data", "funnel": [STEP | {"rows_out": 10, "reason": ""}]},
    )
    assert [tuple(row.values()) for row in rows] == [
        ("logic", "data", "duplicates", "10", "8", "same text, again"),
        ("logic", "data", "leakage", "10", "8", "same text, again"),
        ("goals", "data", "duplicates", "10", "10", ""),
    ]


@pytest.mark.parametrize(("field", "value"), [("rows_out", 7.5), ("reason", None), ("rows_in", True)])
def test_step_that_is_no_count_is_an_error(tmp_path, field, value):
    card = {"dataset": "logic", "stage": "data", "funnel": [STEP, STEP | {field: value}]}
    with pytest.raises(DataError, match=rf"0\.json step 2 field '{field}': expected (int|str)"):
        run(tmp_path, card)
