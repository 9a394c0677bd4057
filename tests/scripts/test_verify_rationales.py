"""From shards to verified samples and their card, and what stops the study."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.lib.test_verification import NO, PROBLEM, YES, sample
from workflow.lib.errors import DataError
from workflow.lib.files import read_json, write_jsonl
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, ProblemSignals, Rationale, Verified, load, table
from workflow.scripts.verify_rationales import main

SETTINGS = {
    "shards": 2,
    "hint_failed": None,
    "ambiguous_by": "vote_share",
    "ambiguous_below": 0.6,
    "max_failed_fraction": 0.25,
    "suspect_share": 0.9,
    "suspect_votes": 2,
    "quality": {"repeated_above": 0.5, "least_steps": 1, "most_words": 100},
    "judge": None,
    "drop": [],
}
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
        "hinted": [],
        "judged": [],
        "verified": "verified.parquet",
        "problems": "problems.parquet",
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
        ("kept", 3, 3),
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
    names = ("verified.parquet", "problems.parquet", "card.json")
    first = [Path(name).read_bytes() for name in names]
    main(**given)
    assert [Path(name).read_bytes() for name in names] == first


def test_problems_are_written_with_what_their_samples_say(given: dict[str, Any]) -> None:
    put({"shard-0": [sample(NO), sample(NO, index=1)]})
    main(**given)
    found = load("problems.parquet", ProblemSignals)
    told = [(s.problem_id, s.majority, s.vote_share, s.difficulty, s.label_suspect) for s in found]
    assert told == [("p1", "no", 1.0, "hard", True), ("p2", "no", 0.5, "mixed", False)]
    card = read_json("card.json")
    assert [s["problem_id"] for s in card["suspects"]] == ["p1"]
    assert card["suspect_rule"] == "gold answer, and 0.9 of at least 2 answers are one other answer"
    assert card["votes"]["label_suspect"] == 1
    assert card["label_detection"] is None
    assert [e["score"] for e in card["detection"]["scores"]] == ["vote_share", "entropy", "untold"]


def test_only_what_the_config_names_is_dropped_for_its_quality(given: dict[str, Any]) -> None:
    put({"shard-0": [sample("The answer is yes."), sample(YES, index=1)]})
    main(**given)
    card = read_json("card.json")
    assert card["quality"][0]["flags"]["short"] == {"samples": 1, "right": 1, "wrong": 0}
    assert [r.verdict for r in load("verified.parquet", Verified)] == ["right", "right", "right", "wrong"]
    main(**{**given, "settings": {**SETTINGS, "drop": ["short"]}})
    rows = load("verified.parquet", Verified)
    assert [(r.verdict, r.right) for r in rows[:2]] == [("short", True), ("right", True)]
    assert load("problems.parquet", ProblemSignals)[0].vote_share == 1.0  # its answer has voted
    card = read_json("card.json")
    assert card["funnel"][-1] == {
        "step": "kept",
        "rows_in": 3,
        "rows_out": 2,
        "reason": "has a flag that rationales.drop names: 1 short",
    }
    assert card["by_category"][0]["lost"] == {"short": 1, "wrong": 1}


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


def test_hinted_samples_are_kept_apart_from_the_votes(given: dict[str, Any]) -> None:
    failed = {"shard-1": [sample(NO, "p2"), sample(NO, "p2", 1)]}
    put(failed)
    main(**given)
    without = read_json("card.json")
    told = [sample(YES, "p2"), sample("By the hint, yes. The answer is yes.", "p2", 1)]
    put({"hinted": [replace(r, prompt="hinting", rationale_id=f"{r.rationale_id}/h") for r in told]})
    settings = {**SETTINGS, "hint_failed": "hinting"}
    main(**{**given, "hinted": ["hinted.jsonl"], "settings": settings})
    rows = load("verified.parquet", Verified)
    assert [(r.problem_id, r.prompt, r.verdict) for r in rows] == [
        *[("p1", "cot", "right")] * 2,
        *[("p2", "cot", "wrong")] * 2,
        ("p2", "hinting", "right"),
        ("p2", "hinting", "leaked"),
    ]
    assert {r.vote_share for r in rows} == {1.0}  # of p2, two of two say no
    card = read_json("card.json")
    for kept in ("votes", "detection", "suspects", "label_detection"):
        assert card[kept] == without[kept]
    assert [(r.samples, r.problem_id) for r in load("problems.parquet", ProblemSignals)] == [
        (2, "p1"),
        (2, "p2"),
    ]
    assert [(t["prompt"], t["asked"], t["right"], t["kept"]) for t in card["by_teacher"]] == [
        ("cot", 4, 2, 2),
        ("hinting", 2, 2, 1),
    ]


def test_failures_of_hinted_samples_do_not_stop_the_study(given: dict[str, Any]) -> None:
    put({"hinted": [replace(sample("Hm.", "p2", i), prompt="hinting") for i in range(9)]})
    settings = {**SETTINGS, "hint_failed": "hinting"}
    main(**{**given, "hinted": ["hinted.jsonl"], "settings": settings})
    assert len(load("verified.parquet", Verified)) == 4 + 9


def judged(*said: str, compared: tuple[str, str] = ("first", "second")) -> None:
    """Write one opinion on each of the four rationales, and one comparison of the two of p1."""
    keys = ["p1/t/cot/0", "p1/t/cot/1", "p2/t/cot/0", "p2/t/cot/1"]
    pairs = [(key, "", word) for key, word in zip(keys, said, strict=True)]
    pairs += [(*keys[:2], compared[0]), (*keys[1::-1], compared[1])]
    ends = {"judge": "j", "tokens": 3, "prompt_tokens": 9, "finish_reason": "stop"}
    write_jsonl(
        "judged.jsonl",
        ({"rationale_id": a, "against": b, "text": f"The answer is {word}.", **ends} for a, b, word in pairs),
    )


def test_what_a_judge_says_is_told_and_counted_and_drops_what_the_config_names(given: dict[str, Any]) -> None:
    judged("yes", "yes", "no", "perhaps")
    settings = {**SETTINGS, "judge": {"by": None}}
    main(**{**given, "judged": ["judged.jsonl"], "settings": settings})
    rows = load("verified.parquet", Verified)
    assert [(r.support, r.preference, r.flags, r.verdict) for r in rows] == [
        ("yes", "better", [], "right"),
        ("yes", "worse", ["outjudged"], "right"),
        ("no", "", ["unsupported"], "right"),
        ("unparsed", "", [], "wrong"),
    ]
    card = read_json("card.json")
    assert card["quality"][0]["flags"]["unsupported"] == {"samples": 1, "right": 1, "wrong": 0}
    assert card["judging"]["support"] == [
        {"judge": "j", "teacher": "t", "asked": 4, "right": {"no": 1, "yes": 2}, "wrong": {"unparsed": 1}}
    ]
    assert card["judging"]["comparisons"]["agreed"] == 1
    settings = {**settings, "drop": ["unsupported", "outjudged"]}
    main(**{**given, "judged": ["judged.jsonl"], "settings": settings})
    rows = load("verified.parquet", Verified)
    assert [r.verdict for r in rows] == ["right", "outjudged", "unsupported", "wrong"]
    assert [r.right for r in rows] == [True, True, True, False]
    lost = {"outjudged": 1, "unsupported": 1, "wrong": 1}
    assert read_json("card.json")["by_category"][0]["lost"] == lost


def test_a_rationale_without_an_opinion_stops_the_study(given: dict[str, Any]) -> None:
    judged("yes", "yes", "no", "yes")
    put({"shard-1": [sample(YES, "p2"), sample(NO, "p2", 1), sample(NO, "p2", 2)]})
    put({"shard-0": [sample(YES), sample(YES, index=1), sample(YES, index=2)]})
    with pytest.raises(DataError, match=r"judged rationale p1/t/cot/2: no opinion\. Fix: judge again"):
        main(**{**given, "judged": ["judged.jsonl"]})


def test_without_a_judge_the_card_has_no_judging(given: dict[str, Any]) -> None:
    main(**given)
    assert read_json("card.json")["judging"] is None
    assert {(r.support, r.preference) for r in load("verified.parquet", Verified)} == {("", "")}
