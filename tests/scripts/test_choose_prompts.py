"""What the file of the choice tells: the rule, the table, the tie groups and the prompt of each teacher."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.lib.test_examples import problem
from tests.lib.test_tournament import NO, SETTINGS, YES, arm, row
from workflow.lib.errors import DataError
from workflow.lib.files import read_json, write_jsonl
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, Rationale, table
from workflow.lib.tournament import entries_of
from workflow.scripts.choose_prompts import choices, main

PROBLEMS = [problem(key) for key in "abcdefgh"]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    write_parquet("dev.parquet", table(PROBLEMS, Problem))
    arms = {"cot": arm("cot", "abcdefgh", 50), "direct": arm("direct", "abcdefg", 7), "bad": arm("bad", "")}
    for name, rows in arms.items():
        put(name, rows)
    return {
        "problems": "dev.parquet",
        "rationales": [f"{name}.jsonl" for name in arms],
        "choice": "choice.json",
        "dataset": "logic",
        "rule": "best_yield",
        "intervals": {"resamples": 2000, "confidence": 0.95, "seed": 3},
        "prices": {},
        "pinned": {},
    }


def put(name: str, rows: list[Rationale]) -> None:
    write_jsonl(f"{name}.jsonl", map(asdict, rows))


def test_the_file_holds_the_table_the_tie_groups_the_rule_and_the_choice(given: dict[str, Any]) -> None:
    main(**given)
    found = read_json("choice.json")
    assert (found["dataset"], found["rule"]) == ("logic", "best_yield")
    assert found["rule_in_words"].startswith("pinned, or else best yield (right / samples asked); ties by")
    assert found["choices"] == {"t": {"prompt": "cot", "kept": True}}
    assert found["tie_groups"] == {"t": ["cot", "direct"]}
    columns = ("prompt", "problems", "samples", "right", "unparsed", "truncated", "tokens", "yield", "tied")
    assert [tuple(row[c] for c in columns) for row in found["table"]] == [
        ("bad", 8, 8, 0, 0, 0, 80, 0.0, False),
        ("cot", 8, 8, 8, 0, 0, 400, 1.0, True),
        ("direct", 8, 8, 7, 0, 0, 56, 7 / 8, True),
    ]
    assert [row["tokens_per_right"] for row in found["table"]] == [None, 50, 8]
    assert {row["usd"] for row in found["table"]} == {None}
    assert found["table"][2]["difference"] == -1 / 8 and found["table"][1]["difference"] == 0


def test_the_rule_of_the_config_decides(given: dict[str, Any]) -> None:
    main(**{**given, "rule": "cheapest_in_tie_group"})
    found = read_json("choice.json")
    assert found["choices"]["t"]["prompt"] == "direct"  # 8 tokens per right answer, where cot takes 50
    assert found["rule"] == "cheapest_in_tie_group" and "cheapest per right" in found["rule_in_words"]


def test_prices_of_the_config_become_dollars(given: dict[str, Any]) -> None:
    main(
        **{
            **given,
            "prices": {"t": {"input": 1.0, "output": 2.0}, "of no arm": {"input": 1.0, "output": 1.0}},
        }
    )
    usd = {row["prompt"]: row["usd"] for row in read_json("choice.json")["table"]}
    assert usd["cot"] == pytest.approx((8 * 100 + 400 * 2) / 1e6)


def test_the_same_samples_give_the_same_bytes(given: dict[str, Any]) -> None:
    main(**given)
    first = Path("choice.json").read_bytes()
    main(**{**given, "rationales": given["rationales"][::-1]})
    assert Path("choice.json").read_bytes() == first


def test_a_prompt_nobody_has_seen_before_takes_part_and_can_win(given: dict[str, Any]) -> None:
    put("new", arm("new", "abcdefgh", tokens=1))
    main(**{**given, "rationales": [*given["rationales"], "new.jsonl"]})
    assert read_json("choice.json")["choices"]["t"]["prompt"] == "new"


def test_each_teacher_has_its_own_prompt_and_a_pinned_one_wins() -> None:
    rows = [row(YES, prompt="cot"), row(NO, prompt="direct")]
    rows += [replace(row(text, prompt=name), teacher="u") for text, name in ((NO, "cot"), (YES, "direct"))]
    found = entries_of(rows, {p.problem_id: p for p in PROBLEMS}, {}, SETTINGS)
    best = choices(found, "best_yield", {})
    assert best == {"t": {"prompt": "cot", "kept": True}, "u": {"prompt": "direct", "kept": True}}
    pinned = choices(found, "best_yield", {"t": "direct"})
    assert {k: v["prompt"] for k, v in pinned.items()} == {"t": "direct", "u": "direct"}


def test_without_a_sample_there_must_be_a_pinned_prompt() -> None:
    assert choices({}, "best_yield", {"t": "cot"}) == {"t": {"prompt": "cot", "kept": True}}
    with pytest.raises(DataError, match=r"the dev split is empty.*prompts\.pinned"):
        choices({}, "best_yield", {})
