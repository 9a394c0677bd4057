"""The second round: who is asked again, with what words; the engine is tested with ``sample_rationales``."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.lib.test_examples import problem
from tests.lib.test_tournament import NO, YES, row
from tests.source import ROOT
from workflow.lib.asking import Question
from workflow.lib.files import read_jsonl, write_jsonl
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, Rationale, table
from workflow.scripts import hint_failed

TRAIN = [replace(problem(key), answer="no" if key == "c" else "yes") for key in "abc"]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the arguments of ``main``; teacher t failed at a and c, teacher u at a and b; d is of dev."""
    monkeypatch.chdir(tmp_path)
    write_parquet("train.parquet", table(TRAIN, Problem))
    write_jsonl("t.jsonl", map(asdict, [row(NO, "a"), row(YES, "b"), row(YES, "c"), row(NO, "d")]))
    other = [replace(r, teacher="u") for r in (row(NO, "a"), row(NO, "b"), row("Hm.", "c"))]
    write_jsonl("u.jsonl", map(asdict, other))

    def sample(asked: Sequence[Question], *, name: str, prompt: str, **_: Any) -> list[Rationale]:
        rows = [replace(row(q.text, q.problem_id, prompt=prompt), split=q.split) for q in asked]
        return [replace(r, teacher=name) for r in rows]

    monkeypatch.setattr(hint_failed, "sample", sample)
    return {
        "train": "train.parquet",
        "rationales": ["t.jsonl", "u.jsonl"],
        "prompt": str(ROOT / "config/prompts/answer_conditioned.j2"),
        "adapter": [],
        "manifest": "none",
        "snapshot": "none",
        "hinted": "hinted.jsonl",
        "name": "t",
        "teacher": {"kind": "vllm", "model": "m", "samples": 1, "temperature": 1.0}
        | {"top_p": 1.0, "max_tokens": 8, "seed": 3},
        "hardware": {},
        "examples": {"count": 1, "seed": 0},
    }


def test_what_no_teacher_got_right_is_asked_with_its_gold_answer(given: dict[str, Any]) -> None:
    hint_failed.main(**given)
    rows = read_jsonl("hinted.jsonl")
    assert [(r["problem_id"], r["teacher"], r["prompt"], r["split"]) for r in rows] == [
        ("a", "t", "answer_conditioned", "train"),
        ("c", "t", "answer_conditioned", "train"),
    ]
    assert 'Hint: the right answer is "yes".' in rows[0]["text"]
    assert 'Hint: the right answer is "no".' in rows[1]["text"]


def test_a_dropped_teacher_is_not_asked_again(given: dict[str, Any]) -> None:
    hint_failed.main(**{**given, "name": "dropped"})
    assert Path("hinted.jsonl").read_bytes() == b""
