"""GRPO on a tiny model: reproducible, anchored to its start, graded by the right problem, and it learns."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.starts import train_scorer, train_to_say_both
from tests.tiny_gpt2 import write_tiny_bert, write_tiny_gpt2
from tests.training import (
    GRPO,
    HARDWARE,
    ROWS,
    check_complete,
    job,
    reruns,
    series,
    write_rows,
)
from workflow.lib import groups
from workflow.lib.errors import DataError
from workflow.lib.files import read_json, write_json
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Prompt, load, table
from workflow.lib.rewards import Reward
from workflow.scripts import train_grpo

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
    settings = {**GRPO, "epochs_per_batch": 2, "held_out": "reward-held-out"}
    jobs = [
        job(tmp_path / name, tiny_llama, "grpo", settings, rows, seed=seed, reward=[*reward, *reward])
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    first, again, other = reruns(train_grpo.main, jobs)
    assert first == again
    assert first["adapter_model.safetensors"] != other["adapter_model.safetensors"]
    told = {
        "reward",
        "reward_std",
        "score",
        "held_out",
        "kl",
        "entropy",
        "completions/mean_length",
        "repetition",
    }
    check_complete(jobs[0], steps=12, quantities={*told, "clip_ratio/region_mean", "loss", "grad_norm"})
    assert series(jobs[0], "held_out") == series(jobs[0], "score")
    run = read_json(jobs[0]["outputs"]["run"])
    lengths = series(jobs[0], "completions/mean_length")[::2]  # of 6 batches, two steps each
    asked = (
        2 * sum(11 if i < 10 else 12 for i in range(ROWS)) + 2 * ROWS
    )  # letters, and two marks of the chat
    assert run["tokens"] == asked + round(4 * sum(lengths))


def test_it_learns_the_answer_that_the_verifier_takes(
    tmp_path: Path, tiny_llama: Path, rows: str, start: list[str]
):
    """The start says yes about half the time; the answer is always yes: reward 1, against 0 for no."""
    path = tmp_path / "yes.parquet"
    write_parquet(path, table([replace(row, answer="yes") for row in load(rows, Prompt)], Prompt))
    settings = {
        **GRPO,
        "start_from": "sft",
        "rewards": CHECK,
        "batch_size": 32,
        "group_size": 8,
        "epochs": 10,
        "max_new_tokens": 12,
        "beta": 0.0,
    }
    hardware = {**HARDWARE, "micro_batch": 32}
    given = job(tmp_path / "a", tiny_llama, "grpo", settings, str(path), start=start, hardware=hardware)
    train_grpo.main(**given)
    scores = series(given, "score")
    assert sum(scores[:4]) / 4 < 0.5
    assert sum(scores[-4:]) / 4 > 0.9


def test_every_answer_is_graded_by_the_problem_it_was_sampled_for(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str], monkeypatch: pytest.MonkeyPatch
):
    asked, graded = [], []
    passed, scores = groups.GroupTrainer._tokenize_prompts, Reward.scores

    def tokenized(self: Any, prompts: list[str]) -> Any:
        found = passed(self, prompts)
        asked.extend(found[0])
        return found

    def scored(self: Reward, episodes: Any) -> Any:
        graded.extend(episode.asked for episode in episodes)
        return scores(self, episodes)

    monkeypatch.setattr(groups.GroupTrainer, "_tokenize_prompts", tokenized)
    monkeypatch.setattr(Reward, "scores", scored)
    train_grpo.main(**job(tmp_path / "a", tiny_llama, "grpo", GRPO, rows, reward=reward))
    assert [one.ids for one in graded] == asked
    numbers = [int(one.row.row_id.removeprefix("train-")) for one in graded]
    assert numbers[::2] == numbers[1::2] and sorted(numbers[::2]) == list(range(ROWS))


@pytest.mark.parametrize(("loss", "scaled"), [("grpo", "group"), ("dr_grpo", "none")])
def test_the_settings_reach_the_trainer(
    tmp_path: Path, tiny_llama: Path, rows: str, monkeypatch: pytest.MonkeyPatch, loss: str, scaled: str
):
    found: list[Any] = []
    monkeypatch.setattr(
        "workflow.scripts.train_grpo.train_groups", lambda job, trainer, *_: found.append(trainer)
    )
    settings = {
        **GRPO,
        "rewards": CHECK,
        "loss": loss,
        "batch_size": 12,
        "group_size": 3,
        "epochs": 2,
        "epochs_per_batch": 4,
        "max_new_tokens": 5,
        "temperature": 0.7,
        "beta": 0.01,
        "clip_range": 0.15,
    }
    train_grpo.main(**job(tmp_path / "a", tiny_llama, "grpo", settings, rows))
    args = found[0].args
    # 12 prompts × 3 answers are 3 batches of 12; 4 steps each; twice. A pass has 4 rows.
    assert (args.max_steps, args.generation_batch_size, args.steps_per_generation) == (24, 12, 3)
    assert (args.num_generations, args.num_iterations, args.max_completion_length) == (3, 4, 5)
    assert (args.temperature, args.beta, args.epsilon) == (0.7, 0.01, 0.15)
    assert (args.loss_type, args.scale_rewards, args.use_bias_correction_kl) == (loss, scaled, False)
    generation = found[0].generation_config
    assert (generation.top_p, generation.top_k, generation.max_new_tokens) == (1.0, 0, 5)


def test_it_starts_from_the_sft_adapter_and_is_anchored_to_it(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str], start: list[str]
):
    slow = {**GRPO, "start_from": "sft", "learning_rate": 1e-9}
    given = job(tmp_path / "a", tiny_llama, "grpo", slow, rows, reward=reward, start=start)
    train_grpo.main(**given)
    before, after = load_file(start[0]), load_file(given["outputs"]["adapter"])
    assert before.keys() == after.keys()
    assert max((after[name] - before[name]).abs().max() for name in before) < 1e-6
    assert series(given, "kl") == pytest.approx([0.0] * 6, abs=1e-5)


def test_without_a_start_the_reference_is_the_bare_base(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str]
):
    given = job(tmp_path / "a", tiny_llama, "grpo", GRPO, rows, reward=reward)
    train_grpo.main(**given)
    kl = series(given, "kl")
    assert kl[:2] == pytest.approx([0.0, 0.0], abs=1e-5)  # the first step has a learning rate of 0
    assert kl[-1] > 1e-3


@pytest.mark.parametrize("loss", ["grpo", "dr_grpo"])
def test_micro_batches_do_not_change_the_training(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str], loss: str
):
    traces = []
    for micro in (1, 4):
        hardware = {**HARDWARE, "micro_batch": micro}
        settings = {**GRPO, "loss": loss, "learning_rate": 1e-3}
        given = job(
            tmp_path / str(micro), tiny_llama, "grpo", settings, rows, reward=reward, hardware=hardware
        )
        train_grpo.main(**given)
        traces.append([*series(given, "reward"), *series(given, "grad_norm")])
    assert traces[0] == pytest.approx(traces[1], rel=1e-3)


def test_gpt2_starts_where_its_reference_is(tmp_path: Path, rows: str, monkeypatch: pytest.MonkeyPatch):
    """Dropout in the base would part policy and reference, padding in front of a prompt a row and itself."""
    gpt2, judge = write_tiny_gpt2(tmp_path / "gpt2"), tmp_path / "bert"
    judge.mkdir()
    write_json(judge / "manifest.json", {"digest": "c" * 64})
    judges = [str(write_tiny_bert(judge / "snapshot")), str(judge / "manifest.json")]
    about = {"kind": "classifier", "weight": 1.0, "model": "bert", "label": "POSITIVE"}
    settings = {
        **GRPO,
        "rewards": [{**about, "output": "logit", "text": "whole"}],
        "learning_rate": 1e-9,
        "epochs_per_batch": 2,
    }
    found: list[Any] = []
    passed = groups.train_groups
    monkeypatch.setattr(train_grpo, "train_groups", lambda *given: (found.append(given[1]), passed(*given)))
    given = job(tmp_path / "a", gpt2, "grpo", settings, rows, judges=judges)
    train_grpo.main(**given)
    assert series(given, "kl") == pytest.approx([0.0] * 12, abs=1e-5)
    assert series(given, "clip_ratio/region_mean") == [0.0] * 12
    trainer, seen = found[0], torch.tensor([[0, 0, 0, 1, 1, 1]])
    assert set(trainer.model.peft_config) == {"default"}  # the reference is the bare base, not a copy
    padded, alone = (
        trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, logits_to_keep=2)[0]
        for ids, mask in (
            (torch.tensor([[0, 0, 0, 9, 5, 7]]), seen),
            (torch.tensor([[9, 5, 7]]), seen[:, 3:]),
        )
    )
    torch.testing.assert_close(padded, alone)


@pytest.mark.parametrize(("unit", "amount", "steps"), [("steps", 5, 5), ("pairs", 13, 6), ("pairs", 9, 4)])
def test_a_budget_replaces_the_epochs(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str], unit: str, amount: int, steps: int
):
    """4 answers per batch and two steps on each: a step stands for 2 answers."""
    shared = {"budget": {"unit": unit, "amount": amount}}
    settings = {**GRPO, "epochs_per_batch": 2}
    given = job(tmp_path / "a", tiny_llama, "grpo", settings, rows, reward=reward, shared=shared)
    train_grpo.main(**given)
    run = read_json(given["outputs"]["run"])
    assert run["steps"] == steps
    used = {"steps": steps, "pairs": 4 * -(-steps // 2)}[unit]
    assert run["budget"] == {"unit": unit, "amount": amount, "used": used, "reproducible": True}


def test_a_budget_in_tokens_is_refused(tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str]):
    shared = {"budget": {"unit": "tokens", "amount": 1000}}
    with pytest.raises(DataError, match="this method writes its own tokens"):
        train_grpo.main(**job(tmp_path / "a", tiny_llama, "grpo", GRPO, rows, reward=reward, shared=shared))


def test_a_prompt_must_have_room(tmp_path: Path, tiny_llama: Path, rows: str):
    long = {**GRPO, "rewards": CHECK, "max_new_tokens": 64}
    with pytest.raises(DataError, match=r"methods\.grpo\.max_new_tokens: 64 leave no room .* in 64 tokens"):
        train_grpo.main(**job(tmp_path / "a", tiny_llama, "grpo", long, rows))


def test_a_settings_key_is_named(tmp_path: Path, tiny_llama: Path, rows: str):
    wrong = {key: value for key, value in GRPO.items() if key != "group_size"}
    with pytest.raises(DataError, match=r"methods\.grpo': missing keys \['group_size'\], unknown keys \[\]"):
        train_grpo.main(**job(tmp_path / "a", tiny_llama, "grpo", wrong, rows))
