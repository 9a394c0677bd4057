"""Shards of one teacher, sampled by a real engine on a tiny random Llama."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.lib.test_sampling import HARDWARE
from tests.lib.test_verification import PROBLEM
from tests.random_adapters import HARDWARE as LOADED
from tests.random_adapters import write_adapter
from tests.tiny_llama import vllm_in_this_process
from workflow.lib.asking import shard_of
from workflow.lib.chat import render, token_ids
from workflow.lib.errors import DataError, IntegrityError
from workflow.lib.files import read_jsonl, write_json
from workflow.lib.lora import SETTINGS, WEIGHTS
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, Rationale, table
from workflow.scripts.compare_prompts import main as compare
from workflow.scripts.sample_rationales import CACHE, main

TEACHER = {
    "kind": "vllm",
    "model": "tiny",
    "samples": 2,
    "temperature": 1.0,
    "top_p": 1.0,
    "max_tokens": 8,
    "seed": 3,
}
TRAIN = [replace(PROBLEM, problem_id=f"t{i}", question=f"Is {i} odd?") for i in range(5)]
DEV = [replace(PROBLEM, problem_id=f"d{i}", question=f"Is {i} even?") for i in range(4)]


@pytest.fixture(scope="module", autouse=True)
def engines() -> Iterator[None]:
    with vllm_in_this_process():
        yield


@pytest.fixture
def given(
    tmp_path: Path, tiny_llama: Path, vllm_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Return the arguments of ``main``, with the files they name; the tests run in their folder."""
    monkeypatch.chdir(tmp_path)
    Path(CACHE).parent.mkdir()
    Path(CACHE).symlink_to(vllm_cache)
    for name, problems in {"train": TRAIN, "dev": DEV}.items():
        write_parquet(f"{name}.parquet", table(problems, Problem))
    for name, ask in {"cot": "Think.", "direct": "Answer."}.items():
        Path(f"{name}.j2").write_text(f"{{{{ question }}}} {ask}")
    write_json("choice.json", {"choices": {"t": {"prompt": "cot", "kept": True}}})
    return {
        "train": "train.parquet",
        "dev": "dev.parquet",
        "choice": "choice.json",
        "prompts": ["cot.j2", "direct.j2"],
        "adapter": [],
        "manifest": "manifest.json",
        "snapshot": str(tiny_llama),
        "rationales": "shard.jsonl",
        "name": "t",
        "teacher": TEACHER,
        "hardware": HARDWARE,
        "shard": 0,
        "shards": 1,
        "examples": {"count": 2, "seed": 17},
    }


def test_every_problem_is_asked_as_often_as_told_in_one_shard_or_two(given: dict[str, Any]) -> None:
    main(**given)
    rows = [Rationale(**record) for record in read_jsonl("shard.jsonl")]
    assert [(r.problem_id, r.index) for r in rows] == [
        (p.problem_id, i) for p in [*DEV, *TRAIN] for i in (0, 1)
    ]
    assert {(r.problem_id[0], r.split) for r in rows} == {("t", "train"), ("d", "dev")}
    assert {(r.teacher, r.prompt) for r in rows} == {("t", "cot")}
    halves = []
    for shard in (0, 1):
        main(**{**given, "shard": shard, "shards": 2, "rationales": f"{shard}.jsonl"})
        halves.append(read_jsonl(f"{shard}.jsonl"))
        assert {shard_of(r["problem_id"], 2) for r in halves[shard]} == {shard}
    assert sorted(halves[0] + halves[1], key=lambda r: r["rationale_id"]) == [asdict(r) for r in rows]


def test_the_prompt_of_the_choice_is_used(given: dict[str, Any]) -> None:
    write_json("choice.json", {"choices": {"t": {"prompt": "direct", "kept": True}}})
    main(**given)
    # "Is 0 odd? Answer." has 17 characters, each a token, and there are 3 turn marks; "Think." has one less
    lengths = {r["problem_id"]: r["prompt_tokens"] for r in read_jsonl("shard.jsonl")}
    assert lengths["t0"] == 17 + 3
    assert {r["prompt"] for r in read_jsonl("shard.jsonl")} == {"direct"}


def test_the_tournament_asks_the_first_problems_by_id(given: dict[str, Any]) -> None:
    compare(
        problems="dev.parquet",
        train="train.parquet",
        prompt="direct.j2",
        adapter=[],
        manifest="none",
        snapshot=given["snapshot"],
        rationales="direct.jsonl",
        name="t",
        teacher=TEACHER,
        hardware=HARDWARE,
        size=2,
        examples={"count": 2, "seed": 17},
    )
    rows = read_jsonl("direct.jsonl")
    assert [(r["problem_id"], r["index"]) for r in rows] == [("d0", 0), ("d0", 1), ("d1", 0), ("d1", 1)]
    assert {(r["split"], r["prompt"]) for r in rows} == {("dev", "direct")}


def test_a_dropped_teacher_has_an_empty_shard(
    given: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write_json("choice.json", {"choices": {"t": {"prompt": "cot", "kept": False}}})
    main(**{**given, "snapshot": "no such folder"})
    assert Path("shard.jsonl").read_bytes() == b""
    assert "teacher 't' is not kept" in capsys.readouterr().out


def test_a_prompt_that_is_no_candidate_is_refused(given: dict[str, Any]) -> None:
    write_json("choice.json", {"choices": {"t": {"prompt": "few", "kept": True}}})
    with pytest.raises(DataError, match=r"choices\.t\.prompt.*\['cot', 'direct'\], found 'few'.*pinned"):
        main(**given)


def with_adapter(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the arguments of ``main`` for the adapter in ``folder`` and the one prompt of a round."""
    write_json("manifest.json", {"model": "tiny"})
    files = [str(folder / name) for name in (WEIGHTS, SETTINGS)]
    return {**given, "adapter": files, "choice": [], "prompts": ["cot.j2"], "rationales": "adapter.jsonl"}


def test_an_adapter_answers_in_place_of_the_base_as_peft_computes_it(
    given: dict[str, Any], tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from peft import PeftModel

    from workflow.lib.models import load_base, load_tokenizer

    folder = write_adapter(tiny_llama, tmp_path / "adapter", 1)
    main(**with_adapter(given, folder))
    assert "the adapter changes a log-probability by up to " in capsys.readouterr().out
    main(**given)
    ours, base = ([Rationale(**r) for r in read_jsonl(f"{name}.jsonl")] for name in ("adapter", "shard"))
    assert [(r.rationale_id, r.seed) for r in ours] == [(r.rationale_id, r.seed) for r in base]
    assert sum(mine.text == theirs.text for mine, theirs in zip(ours, base, strict=True)) <= 1  # of 18
    tokenizer, questions = load_tokenizer(tiny_llama), {p.problem_id: p.question for p in [*TRAIN, *DEV]}
    model = PeftModel.from_pretrained(load_base(tiny_llama, LOADED), folder)
    compared = 0
    for row in ours:
        start = token_ids(tokenizer, render(tokenizer, f"{questions[row.problem_id]} Think."))
        end = [tokenizer.eos_token_id] if row.finish_reason == "stop" else []
        sampled = [*token_ids(tokenizer, row.text), *end]
        if len(sampled) < row.tokens:  # a turn mark in the middle: left out of the text
            continue
        with torch.no_grad():
            logits = model(torch.tensor([start + sampled])).logits[0, len(start) - 1 : -1]
        logps = torch.log_softmax(logits, -1).gather(1, torch.tensor(sampled)[:, None])
        assert row.logprob == pytest.approx(logps.sum().item(), abs=1e-3)
        compared += 1
    assert compared >= 9


def test_an_adapter_that_changes_nothing_is_refused(
    given: dict[str, Any], tiny_llama: Path, tmp_path: Path
) -> None:
    folder = write_adapter(tiny_llama, tmp_path / "zero", 1, scale=0.0)
    with pytest.raises(
        IntegrityError, match=r"zero: expected other log-probabilities .* a change of 0\.0\. Fix"
    ):
        main(**with_adapter(given, folder))
    assert not Path("adapter.jsonl").exists()


def test_an_adapter_that_is_not_finite_is_refused(
    given: dict[str, Any], tiny_llama: Path, tmp_path: Path
) -> None:
    folder = write_adapter(tiny_llama, tmp_path / "nan", 1, scale=float("nan"))
    with pytest.raises(
        IntegrityError, match=r"nan: expected other log-probabilities than the base's, all finite"
    ):
        main(**with_adapter(given, folder))


def test_an_adapter_of_another_base_is_refused_before_an_engine_starts(
    given: dict[str, Any], tiny_llama: Path, tmp_path: Path
) -> None:
    other = with_adapter(given, write_adapter(tiny_llama, tmp_path / "adapter", 1))
    write_json("manifest.json", {"model": "another"})
    with pytest.raises(IntegrityError, match="expected a LORA adapter of 'another', found LORA of 'tiny'"):
        main(**{**other, "hardware": {}})
