"""Which prompt wins the tournament, and what the choice file tells."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.lib.test_verification import NO, PROBLEM, YES, sample
from workflow.lib.errors import DataError
from workflow.lib.files import read_json, write_jsonl
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, Rationale, table
from workflow.scripts.choose_prompts import RULE, Entry, choices, main


def entry(prompt: str, right: int, tokens: int = 100, samples: int = 10, teacher: str = "t") -> Entry:
    return Entry(teacher, prompt, 5, samples, right, 0, 0, tokens)


@pytest.mark.parametrize(
    ("table_", "winner"),
    [
        pytest.param([entry("cot", 7), entry("direct", 6)], "cot", id="more right"),
        pytest.param([entry("cot", 6), entry("direct", 7)], "direct", id="more right, other order"),
        pytest.param([entry("cot", 7, 140), entry("direct", 7, 70)], "direct", id="tie: 10 tokens beat 20"),
        pytest.param([entry("b", 7), entry("a", 7)], "a", id="tie: by name"),
        pytest.param([entry("cot", 0), entry("direct", 1, 9000)], "direct", id="one right beats none"),
        pytest.param([entry("b", 0), entry("a", 0)], "a", id="none right"),
    ],
)
def test_the_best_yield_wins(table_: list[Entry], winner: str) -> None:
    assert choices(table_, {}) == {"t": {"prompt": winner, "kept": True}}


def test_each_teacher_has_its_own_prompt_and_a_pinned_one_wins() -> None:
    entries = [
        entry("cot", 7),
        entry("direct", 6),
        entry("cot", 1, teacher="u"),
        entry("direct", 2, teacher="u"),
    ]
    assert {k: v["prompt"] for k, v in choices(entries, {}).items()} == {"t": "cot", "u": "direct"}
    assert {k: v["prompt"] for k, v in choices(entries, {"t": "direct"}).items()} == {
        "t": "direct",
        "u": "direct",
    }


def test_without_a_sample_there_must_be_a_pinned_prompt() -> None:
    assert choices([], {"t": "cot"}) == {"t": {"prompt": "cot", "kept": True}}
    with pytest.raises(DataError, match=r"the dev split is empty.*prompts\.pinned"):
        choices([], {})


def other(rationale: Rationale) -> Rationale:
    return replace(rationale, prompt="direct", tokens=3)


def test_the_file_holds_the_table_the_rule_and_the_choice(tmp_path: Path) -> None:
    problems, choice = str(tmp_path / "dev.parquet"), str(tmp_path / "choice.json")
    write_parquet(problems, table([PROBLEM], Problem))
    cot = [sample(YES), sample(YES, index=1), sample(NO, index=2), sample("Hm.", index=3)]
    direct = [other(sample(YES)), other(sample(NO, index=1)), other(sample(YES, index=2, finish="length"))]
    for name, rows in {"cot": cot, "direct": direct}.items():
        write_jsonl(tmp_path / f"{name}.jsonl", map(asdict, rows))
    main(
        problems=problems,
        rationales=[str(tmp_path / "cot.jsonl"), str(tmp_path / "direct.jsonl")],
        choice=choice,
        dataset="logic",
        pinned={},
    )
    found = read_json(choice)
    assert (found["dataset"], found["rule"]) == ("logic", RULE)
    assert found["choices"] == {"t": {"prompt": "cot", "kept": True}}  # 2 / 4 right beats 1 / 3
    columns = (
        "prompt",
        "problems",
        "samples",
        "right",
        "unparsed",
        "truncated",
        "tokens",
        "tokens_per_right",
    )
    assert [tuple(row[c] for c in columns) for row in found["table"]] == [
        ("cot", 1, 4, 2, 1, 0, 36, 18.0),  # 4 × 9 tokens for 2 right answers
        ("direct", 1, 3, 1, 0, 1, 9, 9.0),
    ]
    assert [row["yield"] for row in found["table"]] == [2 / 4, pytest.approx(1 / 3)]
