"""What the tournament asks, and where examples come from; the engine is tested with ``sample_rationales``."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.lib.test_examples import problem
from tests.source import ROOT, rules
from workflow.lib.asking import Question, chosen_prompt, questions, slice_of
from workflow.lib.files import read_jsonl, write_json
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, Rationale, load, table
from workflow.scripts import compare_prompts

FEW_SHOT = ROOT / "config/prompts/few_shot_cot.j2"
EXAMPLES = {"count": 3, "seed": 17}
# Each group of train has a problem and its twin; every name is a word that stands nowhere else.
TRAIN = [problem(f"train{i}{twin}", group=f"t{i}") for i in range(8) for twin in ("", "twin")]
DEV = [problem(f"dev{i}", group=f"d{i}") for i in range(6)]
GROUPS = {p.question: p.group_id for p in [*TRAIN, *DEV]}


def test_the_slice_is_the_first_by_id_whatever_the_order() -> None:
    given = [problem(key) for key in "cadb"]
    assert [p.problem_id for p in slice_of(given, 2)] == ["a", "b"]
    assert slice_of(given[::-1], 2) == slice_of(given, 2)
    assert len(slice_of(given, 9)) == 4


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the arguments of ``main``, in a folder with train and dev; answers repeat the prompt."""
    monkeypatch.chdir(tmp_path)
    for name, rows in {"train": TRAIN, "dev": DEV}.items():
        write_parquet(f"{name}.parquet", table(rows, Problem))

    def sample(asked: Sequence[Question], *, name: str, prompt: str, **_: Any) -> list[Rationale]:
        rest = {
            "index": 0,
            "seed": 0,
            "logprob": 0.0,
            "tokens": 1,
            "prompt_tokens": 1,
            "finish_reason": "stop",
        }
        return [
            Rationale(q.problem_id, q.problem_id, q.split, name, prompt, text=q.text, **rest) for q in asked
        ]

    monkeypatch.setattr(compare_prompts, "sample", sample)
    return {
        "problems": "dev.parquet",
        "train": "train.parquet",
        "prompt": str(FEW_SHOT),
        "adapter": [],
        "manifest": "none",
        "snapshot": "none",
        "rationales": "few.jsonl",
        "name": "t",
        "teacher": {"kind": "vllm", "model": "m", "samples": 1, "temperature": 1.0}
        | {"top_p": 1.0, "max_tokens": 8, "seed": 3},
        "hardware": {},
        "size": 5,
        "examples": EXAMPLES,
    }


def shown(text: str) -> list[str]:
    """Return the questions in a prompt, the one that is asked last."""
    return re.findall(r"^Question: (\S+)$", text, re.MULTILINE)


def test_the_tournament_shows_examples_of_train_and_of_nothing_else(given: dict[str, Any]) -> None:
    compare_prompts.main(**given)
    rows = read_jsonl("few.jsonl")
    assert [(r["problem_id"], r["prompt"], r["split"]) for r in rows] == [
        (f"dev{i}", "few_shot_cot", "dev") for i in range(5)
    ]
    for row in rows:
        *examples, asked = shown(row["text"])
        assert asked == row["problem_id"] and len(examples) == 3
        assert {name[:5] for name in examples} == {"train"}
        assert row["text"].count("The answer is yes\n") == 3


def test_a_problem_of_train_is_asked_without_its_group(given: dict[str, Any]) -> None:
    write_json("choice.json", {"choices": {"t": {"prompt": "few_shot_cot", "kept": True}}})
    words = chosen_prompt("choice.json", [str(FEW_SHOT)], "t", train="train.parquet", examples=EXAMPLES)
    assert words
    asked = questions(load("train.parquet", Problem), "train", words)
    assert len(asked) == 16
    for question in asked:
        *examples, own = shown(question.text)
        groups = [GROUPS[name] for name in examples]
        assert len(set(groups)) == 3 and GROUPS[own] not in groups


def test_a_prompt_file_enters_the_tournament_by_its_name_alone(given: dict[str, Any]) -> None:
    Path("mine.j2").write_text("{# sees: question rule #}\n{{ question }}? Think of {{ rule }}.")
    compare_prompts.main(**{**given, "prompt": "mine.j2", "rationales": "mine.jsonl"})
    first = read_jsonl("mine.jsonl")[0]
    assert (first["prompt"], first["text"]) == ("mine", "dev0? Think of rule 1.")


def test_train_is_not_read_for_a_prompt_without_examples(given: dict[str, Any]) -> None:
    Path("plain.j2").write_text("{{ question }}?")
    compare_prompts.main(**{**given, "prompt": "plain.j2", "train": "no such file"})
    assert read_jsonl("few.jsonl")[0]["text"] == "dev0?"


def test_rules_that_show_examples_take_them_from_train() -> None:
    asking = [rule for rule in rules() if "examples" in rule.names("params")]
    assert {rule.name for rule in asking} >= {"compare_prompts", "sample_rationales"}
    for rule in asking:
        assert re.findall(r'train="([^"]+)"', rule.directives["input"]) == [
            "results/data/{dataset}/train.parquet"
        ]
        assert "test.parquet" not in rule.directives["input"]


def test_examples_are_those_of_the_settings(given: dict[str, Any]) -> None:
    compare_prompts.main(**given)
    first = read_jsonl("few.jsonl")
    compare_prompts.main(**given)
    assert read_jsonl("few.jsonl") == first
    compare_prompts.main(**{**given, "examples": {"count": 3, "seed": 18}})
    assert [r["text"] for r in read_jsonl("few.jsonl")] != [r["text"] for r in first]
