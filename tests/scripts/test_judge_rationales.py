"""Who is asked about what, and once; and a real engine that replies."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.lib.test_opinions import RIGHT, WRONG
from tests.lib.test_sampling import HARDWARE
from tests.lib.test_verification import PROBLEM, sample
from tests.source import ROOT
from tests.tiny_llama import vllm_in_this_process
from workflow.lib.asking import Question
from workflow.lib.files import read_jsonl, write_jsonl
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, Rationale, table
from workflow.scripts import judge_rationales

PROMPTS = ROOT / "config/prompts"


def files(folder: Path) -> dict[str, Any]:
    """Write problems and rationales below ``folder``, and return the arguments that both judges take.

    p1 of train: right, wrong and another right one; p2 of dev: one right without steps, of another teacher.
    """
    dev = replace(sample("The answer is yes.", "p2", teacher="u"), split="dev")
    again = sample("He hikes, so he rides. The answer is yes.", index=2)
    write_jsonl(folder / "t.jsonl", map(asdict, [sample(RIGHT), sample(WRONG, index=1), again]))
    write_jsonl(folder / "u.jsonl", map(asdict, [dev, replace(dev, rationale_id="p2/u/cot/1", text=WRONG)]))
    for name, key in (("train", "p1"), ("dev", "p2")):
        write_parquet(folder / f"{name}.parquet", table([replace(PROBLEM, problem_id=key)], Problem))
    return {
        "train": "train.parquet",
        "dev": "dev.parquet",
        "rationales": ["t.jsonl", "u.jsonl"],
        "entails": str(PROMPTS / "entails.j2"),
        "compare": [str(PROMPTS / "sounder.j2")],
        "judged": "judged.jsonl",
        "name": "j",
        "settings": {"by": "j", "temperature": 0.0, "entails": "entails"}
        | {"compare": {"prompt": "sounder", "pairs": 1}},
    }


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the arguments of ``main``; the judge says what it is asked."""
    monkeypatch.chdir(tmp_path)

    def reply(asked: Sequence[Question], *, name: str, teacher: Any, **_: Any) -> list[Rationale]:
        assert (teacher.samples, teacher.temperature, teacher.max_tokens) == (1, 0.0, 8)
        return [replace(sample(q.text, q.problem_id, teacher=name), split=q.split) for q in asked]

    monkeypatch.setattr(judge_rationales, "sample", reply)
    return {
        **files(tmp_path),
        **{"adapter": [], "manifest": "none", "snapshot": "none", "hardware": {}},
        "teacher": {"kind": "vllm", "model": "m", "samples": 6, "temperature": 1.0}
        | {"top_p": 1.0, "max_tokens": 8, "seed": 3},
    }


def test_each_rationale_with_steps_is_asked_about_and_right_ones_are_compared(given: dict[str, Any]) -> None:
    judge_rationales.main(**given)
    rows = read_jsonl("judged.jsonl")
    alone = {r["rationale_id"] for r in rows if not r["against"]}
    assert alone == {"p1/t/cot/0", "p1/t/cot/1", "p1/t/cot/2", "p2/u/cot/1"}
    both = {(r["rationale_id"], r["against"]) for r in rows if r["against"]}
    assert both == {("p1/t/cot/0", "p1/t/cot/2"), ("p1/t/cot/2", "p1/t/cot/0")}
    assert len(rows) == 6 and {r["judge"] for r in rows} == {"j"}
    shown = {r["rationale_id"]: r["text"] for r in rows if not r["against"]}
    assert "So Ann rests.\n\nFrom this they answered: no" in shown["p1/t/cot/1"]


def test_nothing_is_compared_without_a_prompt_for_it(given: dict[str, Any]) -> None:
    settings = {**given["settings"], "compare": None}
    judge_rationales.main(**{**given, "compare": [], "settings": settings})
    assert [r["against"] for r in read_jsonl("judged.jsonl")] == [""] * 4


def test_a_shard_of_a_dropped_teacher_has_nothing_to_judge(given: dict[str, Any]) -> None:
    write_jsonl("empty.jsonl", [])
    judge_rationales.main(**{**given, "rationales": ["empty.jsonl"]})
    assert Path("judged.jsonl").read_bytes() == b""


def test_a_real_engine_replies_and_does_so_again(
    tmp_path: Path, tiny_llama: Path, vllm_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("work").mkdir()
    Path("work/vllm").symlink_to(vllm_cache)
    Path("entails.j2").write_text("{# sees: steps stated #}{{ stated }}? {{ steps }}")
    Path("sounder.j2").write_text("{# sees: first second #}{{ first }} or {{ second }}")
    given = {
        **files(tmp_path),
        **{"entails": "entails.j2", "compare": ["sounder.j2"]},
        **{"adapter": [], "manifest": "none", "snapshot": str(tiny_llama)},
        "hardware": {**HARDWARE, "max_model_len": 128},
        "teacher": {"kind": "vllm", "model": "m", "samples": 6, "temperature": 1.0}
        | {"top_p": 1.0, "max_tokens": 8, "seed": 3},
    }
    with vllm_in_this_process():
        judge_rationales.main(**given)
        rows = read_jsonl("judged.jsonl")
        judge_rationales.main(**{**given, "judged": "again.jsonl"})
    assert len(rows) == 6 and all(1 <= row["tokens"] <= 8 for row in rows)
    assert Path("again.jsonl").read_bytes() == Path("judged.jsonl").read_bytes()
