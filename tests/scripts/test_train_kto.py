"""KTO on a tiny model: reproducible, anchored to its start, and the same whatever the micro-batch."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import Trainer

from tests.training import HARDWARE, KTO, ROWS, SFT, check_complete, job, parent, reruns, series, write_rows
from workflow.lib.errors import DataError, Preempted
from workflow.lib.files import read_json
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Pair, SftRow, load, table
from workflow.scripts import train_kto, train_sft

SETTINGS = {**KTO, "batch_size": 8}  # 2 · ROWS completions: 3 steps


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
        job(tmp_path / name, tiny_llama, "kto", SETTINGS, rows, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    first, again, other = reruns(train_kto.main, jobs)
    assert first == again
    assert first["adapter_model.safetensors"] != other["adapter_model.safetensors"]
    rewards = {"rewards/chosen", "rewards/rejected", "rewards/margins"}
    check_complete(jobs[0], steps=3, quantities={"loss", "kl", *rewards}, rows=2 * ROWS)
    run = read_json(jobs[0]["outputs"]["run"])
    assert run["counts"] == {
        "pairs": ROWS,
        "desirable": ROWS,
        "undesirable": ROWS,
        "repeated_completions": 0,
        "contradictory_completions": 0,
    }


@pytest.mark.parametrize("from_sft", [False, True])
def test_it_is_anchored_to_where_it_starts(
    tmp_path: Path, tiny_llama: Path, rows: str, start: list[str], from_sft: bool
):
    """At the first step the policy is the reference: both rewards and z are 0, every loss ½."""
    given = job(
        tmp_path / "a", tiny_llama, "kto", {**SETTINGS, "epochs": 6}, rows, start=start if from_sft else []
    )
    train_kto.main(**given)
    assert series(given, "loss")[0] == pytest.approx(0.5, abs=1e-5)
    for quantity in ("rewards/chosen", "rewards/rejected", "kl"):
        assert series(given, quantity)[0] == pytest.approx(0.0, abs=1e-4)
    assert series(given, "rewards/margins")[-1] > 0.5
    assert load_file(given["outputs"]["adapter"]).keys() == load_file(start[0]).keys()


def test_the_start_is_continued(tmp_path: Path, tiny_llama: Path, rows: str, start: list[str]):
    slow = {**SETTINGS, "start_from": "sft", "learning_rate": 1e-9}
    train_kto.main(**job(tmp_path / "a", tiny_llama, "kto", slow, rows, start=start))
    before, after = load_file(start[0]), load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert max((after[name] - before[name]).abs().max() for name in before) < 1e-6


def with_micro_batch(folder: Path, snapshot: Path, rows: str, micro: int) -> dict:
    hardware = {**HARDWARE, "micro_batch": micro}
    given = job(folder / str(micro), snapshot, "kto", {**SETTINGS, "epochs": 3}, rows, hardware=hardware)
    train_kto.main(**given)
    return given


def test_micro_batches_do_not_change_the_training(tmp_path: Path, tiny_llama: Path, rows: str):
    """TRL takes z from each micro-batch, so its losses would differ; ours is that of the global batch."""
    whole, parts = (with_micro_batch(tmp_path, tiny_llama, rows, micro) for micro in (8, 2))
    assert series(whole, "kl")[-1] > 0.1  # z matters by now
    for quantity in ("loss", "kl"):
        assert series(whole, quantity) == pytest.approx(series(parts, quantity), rel=1e-4, abs=1e-4)


def test_one_row_per_pass_is_too_few_for_trl(tmp_path: Path, tiny_llama: Path, rows: str):
    given = with_micro_batch(tmp_path, tiny_llama, rows, 1)
    assert read_json(given["outputs"]["run"])["hardware"]["micro_batch"] == 2


def test_weights_count(tmp_path: Path, tiny_llama: Path, rows: str):
    """At the first step the loss is ½ of the mean weight of its 8 rows."""
    losses = []
    for good, bad in ((1.0, 1.0), (3.0, 1.0), (1.0, 3.0)):
        settings = {**SETTINGS, "desirable_weight": good, "undesirable_weight": bad}
        given = job(tmp_path / f"{good}-{bad}", tiny_llama, "kto", settings, rows)
        train_kto.main(**given)
        losses.append(series(given, "loss")[0])
    assert losses[0] == pytest.approx(0.5, abs=1e-5)
    assert losses[1] + losses[2] == pytest.approx(0.5 * (3.0 + 1.0), abs=1e-4)
    assert 0.5 < losses[1] < 1.5


def test_completions_that_are_good_and_bad_are_left_out_and_counted(
    tmp_path: Path, tiny_llama: Path, rows: str
):
    """The first row again with its sides exchanged: both its completions are contradictory."""
    pairs = load(rows, Pair)
    turned = replace(pairs[0], row_id="turned", chosen=pairs[0].rejected, rejected=pairs[0].chosen)
    write_parquet(rows, table([*pairs, turned, replace(pairs[1], row_id="again")], Pair))
    given = job(tmp_path / "a", tiny_llama, "kto", SETTINGS, rows)
    train_kto.main(**given)
    run = read_json(given["outputs"]["run"])
    assert run["counts"] == {
        "pairs": ROWS + 2,
        "desirable": ROWS - 1,
        "undesirable": ROWS - 1,
        "repeated_completions": 4,
        "contradictory_completions": 2,
    }
    assert run["rows"] == 2 * (ROWS - 1)
    card = (tmp_path / "a" / "README.md").read_text()
    assert "| contradictory completions | 2 |" in card


def test_a_stopped_training_goes_on_to_the_same_bytes(
    tmp_path: Path, tiny_llama: Path, rows: str, start: list[str], monkeypatch: pytest.MonkeyPatch
):
    whole, stopped = (
        job(tmp_path / name, tiny_llama, "kto", SETTINGS, rows, start=start) for name in ("whole", "stopped")
    )
    expected = reruns(train_kto.main, [whole])
    with monkeypatch.context() as patch:
        passed = Trainer.training_step

        def told(self: Trainer, *args: object, **options: object) -> object:
            if self.state.global_step == 1:
                os.kill(os.getpid(), signal.SIGUSR1)
            return passed(self, *args, **options)

        patch.setattr(Trainer, "training_step", told)
        with pytest.raises(Preempted, match="stopped at step 2 of 3"):
            train_kto.main(**stopped)
    assert reruns(train_kto.main, [stopped]) == expected


def test_a_settings_key_is_named(tmp_path: Path, tiny_llama: Path, rows: str):
    wrong = {key: value for key, value in KTO.items() if key != "desirable_weight"}
    with pytest.raises(DataError, match=r"methods\.kto': missing keys \['desirable_weight'\]"):
        train_kto.main(**job(tmp_path / "a", tiny_llama, "kto", wrong, rows))


def test_stored_references_are_live_ones_but_for_rounding(tmp_path: Path, tiny_llama: Path, rows: str):
    settings = {**SETTINGS, "epochs": 3}
    live, stored = (
        job(tmp_path / mode, tiny_llama, "kto", settings, rows, shared={"reference_logps": mode})
        for mode in ("live", "stored")
    )
    for given in (live, stored):
        train_kto.main(**given)
    assert len(list(Path("work/references").iterdir())) == 1
    for quantity in ("loss", "kl", "rewards/margins"):
        assert series(stored, quantity) == pytest.approx(series(live, quantity), abs=1e-3), quantity
