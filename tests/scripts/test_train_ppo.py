"""PPO on a tiny model: reproducible, resumable, anchored to its start, stopped by name when unhealthy."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.starts import train_scorer
from tests.tiny_gpt2 import CONTEXT, write_tiny_bert, write_tiny_gpt2
from tests.training import HARDWARE, PPO, SFT, check_complete, job, parent, reruns, write_rows
from workflow.lib import checkpoints, ppo
from workflow.lib.errors import DataError, DependencyError, NumericalError, Preempted
from workflow.lib.files import read_json, write_json
from workflow.lib.models import load_tokenizer
from workflow.lib.parquet import rows_of
from workflow.lib.ppo import Ppo
from workflow.lib.records import Prompt, SftRow
from workflow.scripts import train_ppo, train_sft


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_rows(tmp_path, Prompt)


@pytest.fixture
def reward(tmp_path: Path, tiny_llama: Path, rows: str) -> list[str]:
    return train_scorer(tmp_path, tiny_llama)


@pytest.fixture
def start(tmp_path: Path, tiny_llama: Path, rows: str) -> list[str]:
    """Return a trained SFT adapter."""
    train_sft.main(**job(tmp_path / "sft", tiny_llama, "sft", SFT, write_rows(tmp_path, SftRow)))
    return parent(tmp_path / "sft")


def test_same_seed_same_bytes_other_seed_other_bytes(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str]
):
    jobs = [
        job(tmp_path / name, tiny_llama, "ppo", PPO, rows, seed=seed, reward=reward)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    first, again, other = reruns(train_ppo.main, jobs)
    assert first == again
    assert first["adapter_model.safetensors"] != other["adapter_model.safetensors"]
    health = {"kl", "entropy", "clip_fraction", "ratio", "explained_variance", "length", "eos", "repetition"}
    told = {"score", "policy_loss", "value_loss", "kl_coefficient", *health}
    check_complete(jobs[0], steps=4, quantities=told)


def test_it_starts_from_the_sft_adapter_and_is_anchored_to_it(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str], start: list[str]
):
    slow = {**PPO, "start_from": "sft", "learning_rate": 1e-9}
    given = job(tmp_path / "a", tiny_llama, "ppo", slow, rows, reward=reward, start=start)
    train_ppo.main(**given)
    before, after = load_file(start[0]), load_file(given["outputs"]["adapter"])
    assert before.keys() == after.keys()
    assert max((after[name] - before[name]).abs().max() for name in before) < 1e-6
    kl = [row["value"] for row in rows_of(given["outputs"]["curves"]) if row["quantity"] == "kl"]
    assert kl == pytest.approx([0.0, 0.0], abs=1e-5)


def test_a_stopped_training_goes_on_to_the_same_bytes(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str], monkeypatch: pytest.MonkeyPatch
):
    settings = {**PPO, "updates": 3, "value": "reward"}
    whole, stopped = (
        job(tmp_path / name, tiny_llama, "ppo", settings, rows, reward=reward)
        for name in ("whole", "stopped")
    )
    expected = reruns(train_ppo.main, [whole])
    with monkeypatch.context() as patch:
        passed = Ppo.step

        def told(self: Ppo, update: int, *rest: Any) -> dict[str, float]:
            if update == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            return passed(self, update, *rest)

        patch.setattr(Ppo, "step", told)
        with pytest.raises(Preempted, match="stopped at update 2 of 3"):
            train_ppo.main(**stopped)
    assert [path.name for path in Path("work").rglob("checkpoint-*")] == ["checkpoint-2"]
    assert reruns(train_ppo.main, [stopped]) == expected


def killed(main: Callable[..., None], given: dict[str, Any], place: str, call: int) -> None:
    """Run ``main`` in a process that dies by SIGKILL as it enters the function ``place`` for that time."""
    child = os.fork()
    if child:
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL, f"{place} was not called {call} times"
        return
    patch, calls = pytest.MonkeyPatch(), []
    owner, name = (Ppo, "step") if place == "step" else (ppo, place)
    passed = getattr(owner, name)

    def counted(*given: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return passed(*given)

    patch.setattr(owner, name, counted)
    patch.setattr(ppo, "CHECKPOINT_EVERY", 0.0)
    try:
        main(**given)
    finally:
        os._exit(1)


def test_killed_at_any_update_it_goes_on_to_the_same_bytes(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str], start: list[str]
):
    """In the middle of a step or of a checkpoint; adaptive coefficient, value adapter, held-out reward."""
    settings = {
        **PPO,
        "updates": 4,
        "start_from": "sft",
        "value": "adapter",
        "held_out": "reward-held-out",
        "kl_control": {"kind": "adaptive", "target": 0.05, "horizon": 8},
    }
    models = [*reward, *reward]
    whole, stopped = (
        job(tmp_path / name, tiny_llama, "ppo", settings, rows, reward=models, start=start)
        for name in ("whole", "stopped")
    )
    expected = reruns(train_ppo.main, [whole])
    prices = {r["value"] for r in rows_of(whole["outputs"]["curves"]) if r["quantity"] == "kl_coefficient"}
    assert len(prices) == 4
    for place, call, left in (
        ("step", 1, []),  # before anything was done
        ("step", 2, ["checkpoint-1"]),
        ("seal", 1, ["checkpoint-1"]),  # the second one is there, and not whole
        ("seal", 2, ["checkpoint-2"]),  # nor is the third
        ("step", 2, ["checkpoint-3"]),
    ):
        killed(train_ppo.main, stopped, place, call)
        whole_ones = [path for path in Path("work").rglob("checkpoint-*") if not checkpoints.fault_of(path)]
        assert sorted(path.name for path in whole_ones)[-1:] == left, (place, call)
    assert reruns(train_ppo.main, [stopped]) == expected


def test_a_broken_checkpoint_is_set_aside(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str], monkeypatch: pytest.MonkeyPatch
):
    given = job(tmp_path / "a", tiny_llama, "ppo", {**PPO, "updates": 3}, rows, reward=reward)
    expected = reruns(train_ppo.main, [given])
    monkeypatch.setattr("workflow.lib.ppo.CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr("workflow.scripts.train_ppo.finish", lambda *_: None)
    train_ppo.main(**given)
    (checkpoint,) = Path("work").rglob("checkpoint-2")
    state = checkpoint / "state.pt"
    state.write_bytes(state.read_bytes()[:-1])
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert checkpoints.fault_of(checkpoint) == "state.pt differs from its digest"
    assert reruns(train_ppo.main, [given]) == expected


def test_too_much_kl_stops_it(tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str]):
    wild = {**PPO, "alarms": {**PPO["alarms"], "most_kl": 1e-4}, "updates": 4}
    with pytest.raises(NumericalError, match="kl to the reference"):
        train_ppo.main(**job(tmp_path / "a", tiny_llama, "ppo", wild, rows, reward=reward))
    assert not (tmp_path / "a").exists()


def test_what_follows_eos_in_the_template_is_scored_too(tiny_llama: Path):
    tokenizer = load_tokenizer(tiny_llama)
    assert train_ppo.special_tokens(tokenizer).tail == []
    tokenizer.chat_template = tokenizer.chat_template.replace("<|end|>{%", "<|end|>\n{%")
    special = train_ppo.special_tokens(tokenizer)
    assert tokenizer.decode(special.tail) == "\n"
    assert special.eos == tokenizer.eos_token_id


def test_a_settings_key_is_named(tmp_path: Path, tiny_llama: Path, rows: str):
    wrong = {key: value for key, value in PPO.items() if key != "gamma"}
    with pytest.raises(DataError, match=r"methods\.ppo': missing keys \['gamma'\], unknown keys \[\]"):
        train_ppo.main(**job(tmp_path / "a", tiny_llama, "ppo", wrong, rows))


def curves_of(given: dict[str, Any], quantity: str) -> list[float]:
    """Return a quantity over the updates."""
    return [row["value"] for row in rows_of(given["outputs"]["curves"]) if row["quantity"] == quantity]


def judge_of(folder: Path) -> list[str]:
    """Return a classifier as the rule hands it over."""
    folder.mkdir()
    write_json(folder / "manifest.json", {"digest": "c" * 64})
    return [str(write_tiny_bert(folder / "snapshot")), str(folder / "manifest.json")]


CLASSIFIER = {
    "kind": "classifier",
    "weight": 1.0,
    "model": "bert",
    "label": "POSITIVE",
    "output": "logit",
    "text": "whole",
}


def test_gpt2_learns_from_a_classifier_with_a_tokenizer_of_its_own(tmp_path: Path, rows: str):
    """The reference set-up: no chat tokens, BOS = EOS = padding, dropout in the base, a short context."""
    gpt2, judge = write_tiny_gpt2(tmp_path / "gpt2"), judge_of(tmp_path / "bert")
    settings = {**PPO, "rewards": [CLASSIFIER], "missing_eos_penalty": 0.0, "updates": 12, "batch_size": 16}
    jobs = [
        job(
            tmp_path / name,
            gpt2,
            "ppo",
            settings,
            rows,
            judges=judge,
            hardware={**HARDWARE, "micro_batch": 16},
        )
        for name in ("a", "b")
    ]
    first, again = reruns(train_ppo.main, jobs)
    assert first == again
    scores = curves_of(jobs[0], "score")
    assert sum(scores[-3:]) > sum(scores[:3]) + 0.3
    assert read_json(jobs[0]["outputs"]["run"])["inputs"]["judge 1"] == "c" * 64


def test_an_answer_check_and_a_reward_model_add_up(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str]
):
    rewards = [*PPO["rewards"], {"kind": "verifier", "weight": 2.0, "unparsed": -1.0}]
    given = job(tmp_path / "a", tiny_llama, "ppo", {**PPO, "rewards": rewards}, rows, reward=reward)
    train_ppo.main(**given)
    parts = [curves_of(given, f"reward_{i}_{kind}") for i, kind in ((1, "adapter"), (2, "verifier"))]
    assert parts[1] == [-1.0, -1.0]  # noise has no answer
    assert curves_of(given, "score") == pytest.approx([a + 2.0 * b for a, b in zip(*parts, strict=True)])


def test_what_is_held_out_is_told_and_changes_nothing(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str]
):
    plain = job(tmp_path / "a", tiny_llama, "ppo", PPO, rows, reward=reward)
    watched = {**PPO, "held_out": "reward-held-out"}
    both = job(tmp_path / "b", tiny_llama, "ppo", watched, rows, reward=[*reward, *reward])
    first, second = reruns(train_ppo.main, [plain, both])
    assert first["adapter_model.safetensors"] == second["adapter_model.safetensors"]
    assert curves_of(both, "held_out") == curves_of(both, "score") == curves_of(plain, "score")


def test_the_context_has_room_for_a_closed_answer(tmp_path: Path, rows: str):
    """Prompts are of 9 tokens, 2 of them of 10; EOS closes what is cut: 10 + 37 + 1 = 48."""
    gpt2, judge = write_tiny_gpt2(tmp_path / "gpt2"), judge_of(tmp_path / "bert")
    settings = {**PPO, "rewards": [CLASSIFIER], "updates": 1}
    fits = job(tmp_path / "a", gpt2, "ppo", {**settings, "max_new_tokens": 37}, rows, judges=judge)
    train_ppo.main(**fits)
    assert read_json(fits["outputs"]["run"])["rows_dropped"] == 0
    long = job(tmp_path / "b", gpt2, "ppo", {**settings, "max_new_tokens": 38}, rows, judges=judge)
    with pytest.raises(DataError, match="2 of 12 rows are over 9 tokens"):
        train_ppo.main(**long)
    none = job(tmp_path / "c", gpt2, "ppo", {**settings, "max_new_tokens": CONTEXT - 1}, rows, judges=judge)
    with pytest.raises(DataError, match=r"methods\.ppo\.max_new_tokens: 47 leave no room .* context of 48"):
        train_ppo.main(**none)


def test_rollouts_without_vllm_are_told(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(__import__("sys").modules, "vllm", None)
    hardware = {**HARDWARE, "rollouts": "vllm"}
    given = job(tmp_path / "a", tiny_llama, "ppo", PPO, rows, reward=reward, hardware=hardware)
    with pytest.raises(DependencyError, match=r"hardware\.rollouts is vllm, which does not import here"):
        train_ppo.main(**given)


@pytest.mark.parametrize(
    ("unit", "amount", "updates"), [("steps", 7, 3), ("pairs", 13, 3), ("tokens", 170, 3)]
)
def test_a_budget_replaces_the_updates(
    tmp_path: Path, tiny_llama: Path, rows: str, reward: list[str], unit: str, amount: int, updates: int
):
    """Per update: 2 steps, 4 responses, about 80 tokens of which the third update passes the 170th."""
    shared = {"budget": {"unit": unit, "amount": amount}}
    given = job(tmp_path / "a", tiny_llama, "ppo", PPO, rows, reward=reward, shared=shared)
    train_ppo.main(**given)
    run = read_json(given["outputs"]["run"])
    assert run["steps"] == 2 * updates
    used = {"steps": 2 * updates, "pairs": 4 * updates, "tokens": run["tokens"]}[unit]
    assert run["budget"] == {"unit": unit, "amount": amount, "used": used, "reproducible": True}
    curves = rows_of(given["outputs"]["curves"])
    rates = [row["value"] for row in curves if row["quantity"] == "learning_rate"]
    assert len(rates) == updates and rates[0] == PPO["learning_rate"] > rates[1] > rates[2] > 0
    if unit != "tokens":
        assert rates[2] == pytest.approx(PPO["learning_rate"] / 3)
