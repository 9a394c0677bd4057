"""RLOO on a tiny model: reproducible, anchored to its start, and it learns what the verifier takes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.starts import train_scorer, train_to_say_both
from tests.training import (
    HARDWARE,
    RLOO,
    check_complete,
    job,
    reruns,
    series,
    write_rows,
)
from workflow.lib.errors import DataError, NumericalError
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Prompt, load, table
from workflow.scripts import train_rloo

CHECK = [{"kind": "verifier", "weight": 1.0, "unparsed": -0.5}]


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_rows(tmp_path, Prompt)


@pytest.fixture
def reward(tmp_path: Path, tiny_llama: Path, rows: str) -> list[str]:
    return train_scorer(tmp_path, tiny_llama)


@pytest.fixture
def start(tmp_path: Path, tiny_llama: Path, rows: str) -> list[str]:
    return train_to_say_both(tmp_path, tiny_llama)


def test_same_seed_same_bytes_other_seed_other_bytes(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str]
):
    jobs = [
        job(tmp_path / name, tiny_llama, "rloo", RLOO, rows, seed=seed, reward=reward)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    first, again, other = reruns(train_rloo.main, jobs)
    assert first == again
    assert first["adapter_model.safetensors"] != other["adapter_model.safetensors"]
    told = {"reward", "reward_std", "score", "kl", "entropy", "completions/mean_length", "repetition"}
    check_complete(jobs[0], steps=6, quantities={*told, "clip_ratio/region_mean", "loss", "grad_norm"})


def test_it_learns_the_answer_that_the_verifier_takes(
    tmp_path: Path, tiny_llama: Path, rows: str, start: list[str]
):
    """As for GRPO: the answer is always yes, which the start says about half the time."""
    path = tmp_path / "yes.parquet"
    write_parquet(path, table([replace(row, answer="yes") for row in load(rows, Prompt)], Prompt))
    settings = {
        **RLOO,
        "start_from": "sft",
        "rewards": CHECK,
        "batch_size": 32,
        "group_size": 8,
        "epochs": 10,
        "max_new_tokens": 12,
        "beta": 0.01,
    }
    hardware = {**HARDWARE, "micro_batch": 32}
    given = job(tmp_path / "a", tiny_llama, "rloo", settings, str(path), start=start, hardware=hardware)
    train_rloo.main(**given)
    scores = series(given, "score")
    assert sum(scores[:4]) / 4 < 0.5
    assert sum(scores[-4:]) / 4 > 0.9


def test_the_settings_reach_the_trainer(
    tmp_path: Path, tiny_llama: Path, rows: str, monkeypatch: pytest.MonkeyPatch
):
    found: list[Any] = []
    monkeypatch.setattr(
        "workflow.scripts.train_rloo.train_groups", lambda job, trainer, *_: found.append(trainer)
    )
    change = {"group_size": 4, "max_new_tokens": 5, "temperature": 0.7, "beta": 0.01, "clip_range": 0.15}
    settings = {**RLOO, "rewards": CHECK, "batch_size": 8, "epochs_per_batch": 2, **change}
    train_rloo.main(**job(tmp_path / "a", tiny_llama, "rloo", settings, rows))
    args = found[0].args
    # 12 prompts × 4 answers are 6 batches of 8; 2 steps each. A pass has 4 rows.
    assert (args.max_steps, args.generation_batch_size, args.steps_per_generation) == (12, 8, 2)
    assert (args.num_generations, args.num_iterations, args.max_completion_length) == (4, 2, 5)
    assert (args.temperature, args.beta, args.epsilon) == (0.7, 0.01, 0.15)
    assert not args.normalize_advantages and args.reward_clip_range is None


def test_it_starts_from_the_sft_adapter_and_is_anchored_to_it(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str], start: list[str]
):
    slow = {**RLOO, "start_from": "sft", "learning_rate": 1e-9}
    given = job(tmp_path / "a", tiny_llama, "rloo", slow, rows, reward=reward, start=start)
    train_rloo.main(**given)
    before, after = load_file(start[0]), load_file(given["outputs"]["adapter"])
    assert before.keys() == after.keys()
    assert max((after[name] - before[name]).abs().max() for name in before) < 1e-6
    assert series(given, "kl") == pytest.approx([0.0] * 6, abs=1e-5)


def test_micro_batches_do_not_change_the_training(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str]
):
    traces = []
    for micro in (1, 4):
        hardware = {**HARDWARE, "micro_batch": micro}
        settings = {**RLOO, "learning_rate": 1e-3}
        given = job(
            tmp_path / str(micro), tiny_llama, "rloo", settings, rows, reward=reward, hardware=hardware
        )
        train_rloo.main(**given)
        traces.append([*series(given, "reward"), *series(given, "grad_norm")])
    assert traces[0] == pytest.approx(traces[1], rel=1e-3)


def test_rewards_that_tell_nothing_apart_are_named(tmp_path: Path, tiny_llama: Path, rows: str):
    settings = {**RLOO, "rewards": CHECK, "beta": 0.0}  # noise states no answer
    with pytest.raises(NumericalError, match="the answers to a prompt all had the same reward") as caught:
        train_rloo.main(**job(tmp_path / "a", tiny_llama, "rloo", settings, rows))
    assert caught.value.exit_code == 5 and not (tmp_path / "a").exists()


def test_a_settings_key_is_named(tmp_path: Path, tiny_llama: Path, rows: str):
    wrong = {**{key: value for key, value in RLOO.items() if key != "clip_range"}, "loss": "grpo"}
    with pytest.raises(DataError, match=r"missing keys \['clip_range'\], unknown keys \['loss'\]"):
        train_rloo.main(**job(tmp_path / "a", tiny_llama, "rloo", wrong, rows))
