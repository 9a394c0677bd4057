"""From shards to verified samples and their card, and what stops the study."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.lib.test_verification import NO, PROBLEM, YES, sample
from workflow.lib.errors import DataError
from workflow.lib.files import read_json, write_jsonl
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, Rationale, Verified, load, table
from workflow.scripts.verify_rationales import main

SETTINGS = {"shards": 2, "ambiguous_below": 0.6, "max_failed_fraction": 0.25}
PROBLEMS = [
    replace(PROBLEM, problem_id=key, planted=planted) for key, planted in [("p1", ""), ("p2", "ambiguous")]
]
ROWS = {
    "shard-0": [sample(YES), sample(YES, index=1)],
    "shard-1": [sample(YES, "p2"), sample(NO, "p2", 1)],
}


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    write_parquet("train.parquet", table(PROBLEMS, Problem))
    write_parquet("dev.parquet", table([], Problem))
    put(ROWS)
    return {
        "train": "train.parquet",
        "dev": "dev.parquet",
        "rationales": ["shard-1.jsonl", "shard-0.jsonl"],
        "verified": "verified.parquet",
        "card": "card.json",
        "dataset": "logic",
        "settings": SETTINGS,
    }


def put(shards: dict[str, list[Rationale]]) -> None:
    for name, rows in shards.items():
        write_jsonl(f"{name}.jsonl", map(asdict, rows))


def test_samples_are_verified_in_order_and_counted(given: dict[str, Any]) -> None:
    main(**given)
    rows = load("verified.parquet", Verified)
    assert [(r.problem_id, r.index, r.verdict, r.ambiguous) for r in rows] == [
        ("p1", 0, "right", False),
        ("p1", 1, "right", False),
        ("p2", 0, "right", True),
        ("p2", 1, "wrong", True),
    ]
    card = read_json("card.json")
    assert (card["dataset"], card["stage"]) == ("logic", "rationales")
    assert [(s["step"], s["rows_in"], s["rows_out"]) for s in card["funnel"]] == [
        ("answered", 4, 4),
        ("parsed", 4, 4),
        ("right", 4, 3),
    ]
    assert card["by_category"][0]["right"] == 3
    assert card["votes"]["ambiguous"] == 1
    assert (card["detection"]["precision"], card["detection"]["recall"], card["detection"]["auroc"]) == (
        1,
        1,
        1,
    )


def test_the_same_samples_give_the_same_bytes(given: dict[str, Any]) -> None:
    main(**given)
    first = Path("verified.parquet").read_bytes(), Path("card.json").read_bytes()
    main(**given)
    assert (Path("verified.parquet").read_bytes(), Path("card.json").read_bytes()) == first


def test_failures_up_to_the_limit_are_reported_and_beyond_stop_the_study(
    given: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    put({"shard-1": [sample(YES, "p2"), sample(NO, "p2", 1, finish="length")]})
    main(**given)  # 1 of 4 is 25 %
    assert "failed 25.0%: 1 truncated\n" in capsys.readouterr().out
    put({"shard-1": [sample("Hm.", "p2"), sample("", "p2", 1, finish="prompt_too_long")]})
    with pytest.raises(
        DataError, match=r"2 of 4 samples failed \(1 prompt_too_long, 1 unparsed\): 50.0%.*max_tokens"
    ):
        main(**given)


def test_a_failing_teacher_does_not_hide_behind_another(given: dict[str, Any]) -> None:
    good = [sample(YES, key, i, teacher="good") for key in ("p1", "p2") for i in range(9)]
    bad = [sample("Hm.", key, teacher="bad") for key in ("p1", "p2")]
    put({"shard-0": good, "shard-1": bad})  # 2 of 20 fail, but 2 of 2 of one teacher
    with pytest.raises(DataError, match="teacher 'bad': 2 of 2 samples failed"):
        main(**given)


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        pytest.param([], r"problem p2: expected samples 0 … 1, found \[\]", id="shard is empty"),
        pytest.param(ROWS["shard-1"][:1], r"problem p2: .* found \[0\]", id="sample lacks"),
        pytest.param(ROWS["shard-1"] * 2, r"problem p2: .* found \[0, 0, 1, 1\]", id="sample twice"),
    ],
)
def test_incomplete_shards_are_refused(given: dict[str, Any], shard: list[Rationale], message: str) -> None:
    put({"shard-1": shard})
    with pytest.raises(DataError, match=message):
        main(**given)


def test_a_dropped_teacher_is_left_out_but_one_must_stay(given: dict[str, Any]) -> None:
    put({"dropped": []})
    main(**{**given, "rationales": [*given["rationales"], "dropped.jsonl"]})
    assert len(load("verified.parquet", Verified)) == 4
    with pytest.raises(DataError, match="no teacher gave any sample"):
        main(**{**given, "rationales": ["dropped.jsonl"]})
