"""Policies are matched with their adapters, and seeds and keys depend on what they should."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.random_adapters import HARDWARE, yes_no_problems
from workflow.lib.errors import DataError
from workflow.lib.evaluation import (
    READERS,
    Job,
    Policy,
    Scored,
    Store,
    TaskSettings,
    generation_seed,
    identity,
    policies_of,
)
from workflow.lib.files import write_json
from workflow.lib.harness import Task
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Passage, Problem, Sample, table

DRAWN = Task("t", {"output_type": "generate_until", "generation_kwargs": {"do_sample": True}}, True)
GREEDY = Task("t", {"output_type": "generate_until", "generation_kwargs": {"do_sample": False}}, True)
FILES = ("adapter_model.safetensors", "adapter_config.json")
JOB = Job(
    dataset="logic",
    model="tiny",
    task="t",
    settings=TaskSettings("accuracy", 8),
    seed=7,
    backend={"kind": "transformers"},
    hardware=HARDWARE,
    problems=Path("p"),
    definition=[Path("d")],
    prompt=Path("j"),
    manifest=Path("m"),
    snapshot=Path("s"),
    code="c",
)


def test_policies_are_method_by_seed_with_their_own_adapter() -> None:
    files = [f"a/{m}/seed-{s}/{f}" for m in ("sft", "ppo") for s in (1, 2) for f in FILES]
    assert policies_of(["base", "sft", "ppo"], [1, 2], files) == [
        Policy("base", 1, None),
        Policy("base", 2, None),
        Policy("sft", 1, Path("a/sft/seed-1")),
        Policy("sft", 2, Path("a/sft/seed-2")),
        Policy("ppo", 1, Path("a/ppo/seed-1")),
        Policy("ppo", 2, Path("a/ppo/seed-2")),
    ]


def test_a_policy_without_adapter_fails() -> None:
    with pytest.raises(DataError, match="expected 2 folders, found 1"):
        policies_of(["base", "sft"], [1, 2], ["a/sft/seed-1/adapter_model.safetensors"])


def test_methods_share_the_draws_of_a_seed_and_greedy_has_one() -> None:
    base, other = Policy("base", 1, None), Policy("base", 2, None)
    trained = Policy("dpo", 1, Path("a"))
    assert generation_seed(JOB, DRAWN, base) == generation_seed(JOB, DRAWN, trained)
    assert generation_seed(JOB, DRAWN, base) != generation_seed(JOB, DRAWN, other)
    assert generation_seed(JOB, GREEDY, base) == generation_seed(JOB, GREEDY, other) == 7


def test_a_metric_decides_whether_problems_are_asked_or_passages_gone_on_from(tmp_path: Path) -> None:
    problems = yes_no_problems(2)
    passages = [
        Passage("p1", "g1", "films", "positive", "", "It is good.", "It is", "positive", "made row 1")
    ]
    write_parquet(tmp_path / "problems.parquet", table(problems, Problem))
    write_parquet(tmp_path / "passages.parquet", table(passages, Passage))
    assert READERS["accuracy"](tmp_path / "problems.parquet") == problems
    (asked,) = READERS["reward"](tmp_path / "passages.parquet")
    assert (asked.problem_id, asked.group_id, asked.category) == ("p1", "g1", "positive")
    assert (asked.question, asked.choices, asked.answer) == ("It is", [], None)


def test_what_decides_is_the_backend_and_what_it_depends_on(tmp_path: Path) -> None:
    write_json(tmp_path / "file", {"digest": "d"})
    paths = dict.fromkeys(("problems", "prompt", "manifest"), tmp_path / "file")
    job = replace(JOB, definition=[tmp_path / "file"], **paths)
    limits = {"problems": 4, "least_same": 1.0, "most_nats": 0.1}

    def told(kind: str, **hardware: object) -> dict[str, object]:
        backend = {"kind": kind} | ({"agreement": limits} if kind == "vllm" else {})
        changed = replace(job, backend=backend, hardware={**HARDWARE, **hardware})
        return identity(changed, GREEDY, Policy("base", 1, None))

    by_vllm, by_transformers = told("vllm"), told("transformers")
    assert by_vllm["backend"] == {"kind": "vllm", "agreement": limits}
    assert by_vllm["versions"].keys() - by_transformers["versions"].keys() == {"vllm"}
    assert told("vllm", max_model_len=128) != by_vllm
    assert told("transformers", max_model_len=128) == by_transformers
    assert told("vllm", evaluation_batch=1) == by_vllm
    assert told("transformers", evaluation_batch=1) != by_transformers


def test_the_store_returns_what_it_was_given(tmp_path: Path) -> None:
    sample = Sample(
        *("logic", "tiny", "", 0, "t", "p1", "g1", "c", "r", 0, "turn", "00", "text", None, "yes", 0.0, 3, [])
    )
    scored = Scored({"results": {"t": {"accuracy,none": 0.0}}}, [sample], {"bos": 1})
    store = Store(tmp_path)
    assert store.get("k") is None
    store.put("k", scored)
    assert store.get("k") == scored
    assert store.get("other") is None
