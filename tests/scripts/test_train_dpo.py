"""DPO on a tiny model: reproducible, anchored to its start, resumable although two adapters are loaded."""

import math
import os
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import Trainer

from tests.training import DPO, SFT, check_complete, job, parent, reruns, series, write_rows
from workflow.lib.errors import DataError, Preempted
from workflow.lib.files import sha256
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


LOSSES = {
    "sigmoid": ("sigmoid", 0.0, {"sigmoid": 1.0}),
    "cdpo": ("sigmoid", 0.1, {"sigmoid": 1.8, "robust": -0.8}),  # 2 (1 - ε) and -(1 - 2ε)
    "robust": ("robust", 0.1, {"robust": 1.0}),
    "ipo": ("ipo", 0.0, {"ipo": 1.0}),
}


@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize(("loss", "noise", "terms"), LOSSES.values(), ids=LOSSES.keys())
def test_the_terms_of_each_loss(loss: str, noise: float, terms: dict[str, float], weight: float):
    settings = train_dpo.Settings(**{**DPO, "loss": loss, "label_smoothing": noise, "nll_weight": weight})
    found = train_dpo.loss_terms(settings)
    assert found["label_smoothing"] == noise
    named = dict(zip(found["loss_type"], found["loss_weights"], strict=True))
    assert named == pytest.approx(terms | ({"sft": weight} if weight else {}))


def test_each_loss_trains_otherwise(tmp_path: Path, tiny_llama: Path, rows: str):
    """At the reference: log 2 for all but IPO, which starts at 1/(4β²); then four different adapters."""
    firsts, adapters = {}, set()
    for name, (loss, noise, _) in LOSSES.items():
        settings = {**DPO, "loss": loss, "label_smoothing": noise, "nll_weight": 0.0, "beta": 0.5}
        given = job(tmp_path / name, tiny_llama, "dpo", settings, rows)
        train_dpo.main(**given)
        firsts[name] = series(given, "loss")[0]
        adapters.add(sha256(given["outputs"]["adapter"]))
    assert firsts == pytest.approx({**dict.fromkeys(LOSSES, math.log(2)), "ipo": 1.0}, abs=1e-4)
    assert len(adapters) == len(LOSSES)


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
