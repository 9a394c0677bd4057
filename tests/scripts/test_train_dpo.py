"""DPO on a tiny model: reproducible, anchored to its start, resumable although two adapters are loaded."""

import os
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import Trainer

from tests.training import DPO, SFT, check_complete, job, parent, reruns, write_rows
from workflow.lib.errors import DataError, Preempted
from workflow.lib.parquet import rows_of
from workflow.lib.records import Pair, SftRow
from workflow.scripts import train_dpo, train_sft


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_rows(tmp_path, Pair)


@pytest.fixture
def start(tmp_path: Path, tiny_llama: Path, rows: str) -> list[str]:
    """Return a trained SFT adapter."""
    train_sft.main(**job(tmp_path / "sft", tiny_llama, "sft", SFT, write_rows(tmp_path, SftRow)))
    return parent(tmp_path / "sft")


def series(given: dict[str, dict[str, str]], quantity: str) -> list[float]:
    return [row["value"] for row in rows_of(given["outputs"]["curves"]) if row["quantity"] == quantity]


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path, tiny_llama: Path, rows: str):
    jobs = [
        job(tmp_path / name, tiny_llama, "dpo", DPO, rows, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    first, again, other = reruns(train_dpo.main, jobs)
    assert first == again
    assert first["adapter_model.safetensors"] != other["adapter_model.safetensors"]
    rewards = {"rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"}
    check_complete(jobs[0], steps=3, quantities={"loss", *rewards})


@pytest.mark.parametrize("from_sft", [False, True])
def test_it_is_anchored_to_where_it_starts(
    tmp_path: Path, tiny_llama: Path, rows: str, start: list[str], from_sft: bool
):
    """At the first step the policy is the reference, so both rewards are 0; then the margin grows."""
    given = job(
        tmp_path / "a", tiny_llama, "dpo", {**DPO, "epochs": 6}, rows, start=start if from_sft else []
    )
    train_dpo.main(**given)
    assert series(given, "rewards/chosen")[0] == pytest.approx(0.0, abs=1e-5)
    assert series(given, "rewards/margins")[-1] > 0.5
    assert load_file(given["outputs"]["adapter"]).keys() == load_file(start[0]).keys()


def test_the_start_is_continued(tmp_path: Path, tiny_llama: Path, rows: str, start: list[str]):
    slow = {**DPO, "start_from": "sft", "learning_rate": 1e-9}
    train_dpo.main(**job(tmp_path / "a", tiny_llama, "dpo", slow, rows, start=start))
    before, after = load_file(start[0]), load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert max((after[name] - before[name]).abs().max() for name in before) < 1e-6


def test_the_nll_term_keeps_the_chosen_likely(tmp_path: Path, tiny_llama: Path, rows: str):
    likelihoods = []
    for weight in (0.0, 1.0):
        settings = {**DPO, "nll_weight": weight, "epochs": 6}
        given = job(tmp_path / str(weight), tiny_llama, "dpo", settings, rows)
        train_dpo.main(**given)
        likelihoods.append(series(given, "logps/chosen")[-1])
    assert likelihoods[1] > likelihoods[0] + 1.0


def test_a_stopped_training_goes_on_to_the_same_bytes(
    tmp_path: Path, tiny_llama: Path, rows: str, start: list[str], monkeypatch: pytest.MonkeyPatch
):
    """The checkpoint holds the reference in a sub-folder; the policy beside it must be loaded too."""
    whole, stopped = (
        job(tmp_path / name, tiny_llama, "dpo", DPO, rows, start=start) for name in ("whole", "stopped")
    )
    expected = reruns(train_dpo.main, [whole])
    with monkeypatch.context() as patch:
        passed = Trainer.training_step

        def told(self: Trainer, *args: object, **options: object) -> object:
            if self.state.global_step == 1:
                os.kill(os.getpid(), signal.SIGUSR1)
            return passed(self, *args, **options)

        patch.setattr(Trainer, "training_step", told)
        with pytest.raises(Preempted, match="stopped at step 2 of 3"):
            train_dpo.main(**stopped)
    assert reruns(train_dpo.main, [stopped]) == expected


def test_a_settings_key_is_named(tmp_path: Path, tiny_llama: Path, rows: str):
    wrong = {key: value for key, value in DPO.items() if key != "beta"}
    with pytest.raises(DataError, match=r"methods\.dpo': missing keys \['beta'\], unknown keys \[\]"):
        train_dpo.main(**job(tmp_path / "a", tiny_llama, "dpo", wrong, rows))
