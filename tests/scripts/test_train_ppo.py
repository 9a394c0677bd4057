"""PPO on a tiny model: reproducible, resumable, anchored to its start, stopped by name when unhealthy."""

import os
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.training import PPO, REWARD, SFT, check_complete, job, parent, reruns, write_rows
from workflow.lib import checkpoints
from workflow.lib.errors import DataError, NumericalError, Preempted
from workflow.lib.models import load_tokenizer
from workflow.lib.parquet import rows_of
from workflow.lib.ppo import Ppo
from workflow.lib.records import Pair, Prompt, SftRow
from workflow.scripts import train_ppo, train_reward, train_sft


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_rows(tmp_path, Prompt)


@pytest.fixture
def reward(tmp_path: Path, tiny_llama: Path, rows: str) -> list[str]:
    """Return a trained reward adapter."""
    train_reward.main(**job(tmp_path / "reward", tiny_llama, "reward", REWARD, write_rows(tmp_path, Pair)))
    return parent(tmp_path / "reward")


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
    health = {"kl", "entropy", "clip_fraction", "ratio", "explained_variance", "length", "eos"}
    check_complete(jobs[0], steps=4, quantities={"score", "policy_loss", "value_loss", *health})


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
    settings = {**PPO, "updates": 3}
    whole, stopped = (
        job(tmp_path / name, tiny_llama, "ppo", settings, rows, reward=reward)
        for name in ("whole", "stopped")
    )
    expected = reruns(train_ppo.main, [whole])
    with monkeypatch.context() as patch:
        passed = Ppo.step

        def told(self: Ppo, update: int, prompts: list[list[int]]) -> dict[str, float]:
            if update == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            return passed(self, update, prompts)

        patch.setattr(Ppo, "step", told)
        with pytest.raises(Preempted, match="stopped at update 2 of 3"):
            train_ppo.main(**stopped)
    assert [path.name for path in Path("work").rglob("checkpoint-*")] == ["checkpoint-2"]
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
    wild = {**PPO, "max_kl": 1e-4, "updates": 4}
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
