"""What a round's samples are compared with, and when the study stops."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.lib.test_verification import NO, PROBLEM, YES, sample
from workflow.lib.errors import DataError
from workflow.lib.files import read_json, write_json
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Verified, load, table
from workflow.lib.verification import verify
from workflow.scripts.check_round import main

STEP = {"step": "kept", "rows_in": 8, "rows_out": 4, "reason": "…"}
PROBLEMS = {key: replace(PROBLEM, problem_id=key) for key in ("p1", "p2", "d1")}
SPLITS = {"p1": "train", "p2": "train", "d1": "dev"}


def put(path: str, said: dict[str, dict[str, list[str]]], prompt: str = "cot") -> None:
    """Write what each teacher said to each problem, verified."""
    rows = [
        replace(sample(text, key, i, teacher=teacher), split=SPLITS[key], prompt=prompt)
        for teacher, answers in said.items()
        for key, texts in answers.items()
        for i, text in enumerate(texts)
    ]
    write_parquet(path, table(verify(rows, PROBLEMS, 0.6), Verified))


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the arguments of ``main``: 4 of 8 samples are right, in 3 different texts; before, 6 of 8."""
    monkeypatch.chdir(tmp_path)
    right = [YES, YES, "So. " + YES, NO]
    put("now.parquet", {"dpo": {"p1": right, "p2": [NO, NO, NO], "d1": [YES]}})
    before = {"p1": [YES, YES], "p2": [YES, "A. " + YES, "B. " + YES, NO], "d1": [YES, NO]}
    put("before.parquet", {"tiny": before, "other": {key: [NO] * 50 for key in PROBLEMS}})
    for name in ("rationales", "preferences"):
        write_json(f"{name}.json", {"stage": name, "funnel": [{**STEP, "reason": name}]})
    return {
        **{"verified": "now.parquet", "before": "before.parquet", "card": "card.json"},
        **{"rationales": "rationales.json", "preferences": "preferences.json"},
        **{"dataset": "logic", "model": "small", "method": "dpo", "number": 2, "seed": 7},
        **{"name": "dpo", "names_before": ["tiny"], "hint": None, "settings": {"max_yield_drop": 0.34}},
    }


def test_the_card_has_yields_and_different_right_texts(given: dict[str, Any]) -> None:
    main(**given)
    card = read_json("card.json")
    # 4 of 8 right: YES twice and another text for p1, YES for d1
    assert card["samples"]["all"] == {
        **{"problems": 3, "samples": 8, "kept": 4, "verified_yield": 0.5},
        **{"distinct_right": 3, "distinct_right_per_problem": 1.0, "distinct_share": 0.75},
    }
    assert [card["samples"][split]["verified_yield"] for split in ("train", "dev")] == [3 / 7, 1 / 1]
    assert card["before"]["answered_by"] == ["tiny"]
    assert card["before"]["samples"]["all"]["verified_yield"] == 6 / 8  # the other teacher's 150 do not count
    assert (card["dataset"], card["stage"]) == ("logic", "round 2 of dpo, small, seed 7")
    assert [step["reason"] for step in card["funnel"]] == ["rationales", "preferences"]


def test_a_yield_that_fell_too_far_stops_the_study(given: dict[str, Any]) -> None:
    # a third of 75 % is lost: 34 % may be, 33 % may not
    said = (
        r"round 2 of dpo, small, seed 7: verified yield: expected at most 33\.0% below 75\.0%, the yield "
        r"before, found 50\.0%\. Fix: .*rounds\.dpo\.max_yield_drop"
    )
    with pytest.raises(DataError, match=said):
        main(**{**given, "settings": {"max_yield_drop": 0.33}})
    assert not Path("card.json").exists()


def test_a_yield_that_rose_or_stayed_goes_on(given: dict[str, Any]) -> None:
    main(**{**given, "before": "now.parquet", "names_before": ["dpo"], "settings": {"max_yield_drop": 0.0}})
    assert Path("card.json").exists()


def test_other_models_are_nothing_to_compare_with(given: dict[str, Any]) -> None:
    main(**{**given, "names_before": [], "settings": {"max_yield_drop": 0.0}})
    assert read_json("card.json")["before"] == {
        "answered_by": [],
        "samples": {"all": None, "train": None, "dev": None},
    }


def test_samples_that_saw_the_answer_do_not_count(given: dict[str, Any]) -> None:
    put("before.parquet", {"tiny": {"p1": [YES] * 8}}, prompt="hinted")
    main(**{**given, "hint": "hinted", "settings": {"max_yield_drop": 0.0}})
    assert read_json("card.json")["before"]["samples"]["all"] is None


def test_nothing_right_has_no_share_of_different_texts(given: dict[str, Any]) -> None:
    put("now.parquet", {"dpo": {"p1": [NO, NO]}})
    main(**{**given, "settings": {"max_yield_drop": 1.0}})
    found = read_json("card.json")["samples"]["all"]
    assert (found["verified_yield"], found["distinct_right"], found["distinct_share"]) == (0.0, 0, None)


def test_a_right_sample_that_is_dropped_is_not_kept(given: dict[str, Any]) -> None:
    rows = load("now.parquet", Verified)
    dropped = [replace(row, verdict="leaked") if row.split == "dev" else row for row in rows]
    write_parquet("now.parquet", table(dropped, Verified))
    main(**{**given, "settings": {"max_yield_drop": 0.5}})  # 3 of 8 is half of 6 of 8
    assert read_json("card.json")["samples"]["all"]["kept"] == 3
