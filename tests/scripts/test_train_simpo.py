"""SimPO on a tiny model: reproducible, its margin and scale count, and no reference anywhere."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training import HARDWARE, SFT, SIMPO, check_complete, job, parent, reruns, series, write_rows
from workflow.lib import losses
from workflow.lib.errors import DataError
from workflow.lib.records import Pair, SftRow
from workflow.scripts import train_sft, train_simpo


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_rows(tmp_path, Pair)


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path, tiny_llama: Path, rows: str):
    jobs = [
        job(tmp_path / name, tiny_llama, "simpo", SIMPO, rows, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    first, again, other = reruns(train_simpo.main, jobs)
    assert first == again
    assert first["adapter_model.safetensors"] != other["adapter_model.safetensors"]
    check_complete(jobs[0], steps=3, quantities={"loss", "logps/chosen", "rewards/margins"})


def test_it_learns_to_prefer_per_token(tmp_path: Path, tiny_llama: Path, rows: str):
    given = job(tmp_path / "a", tiny_llama, "simpo", {**SIMPO, "epochs": 6}, rows)
    train_simpo.main(**given)
    margins = series(given, "rewards/margins")
    assert margins[-1] > margins[0] + 1.0
    # rewards are β times the mean log-probability per token, without a reference
    chosen, rejected = series(given, "logps/chosen"), series(given, "logps/rejected")
    assert margins == pytest.approx([2.0 * (a - b) for a, b in zip(chosen, rejected, strict=True)], abs=1e-4)


def test_the_margin_raises_the_loss_and_nothing_else_at_the_first_step(
    tmp_path: Path, tiny_llama: Path, rows: str
):
    """One pair per step: the loss is that of ``losses.simpo`` on what the curves say of the pair."""
    for gamma in (0.0, 3.0):
        settings = {**SIMPO, "gamma": gamma, "batch_size": 1}
        given = job(tmp_path / str(gamma), tiny_llama, "simpo", settings, rows)
        train_simpo.main(**given)
        chosen, rejected = (torch.tensor(series(given, f"logps/{side}")) for side in ("chosen", "rejected"))
        expected = losses.simpo(chosen, rejected, beta=2.0, gamma=gamma).tolist()
        assert series(given, "loss") == pytest.approx(expected, abs=1e-4)


def test_micro_batches_do_not_change_the_training(tmp_path: Path, tiny_llama: Path, rows: str):
    traces = []
    for micro in (1, 4):
        hardware = {**HARDWARE, "micro_batch": micro}
        given = job(tmp_path / str(micro), tiny_llama, "simpo", SIMPO, rows, hardware=hardware)
        train_simpo.main(**given)
        traces.append(series(given, "loss"))
    assert traces[0] == pytest.approx(traces[1], rel=1e-4)


def test_the_start_is_continued(tmp_path: Path, tiny_llama: Path, rows: str):
    train_sft.main(**job(tmp_path / "sft", tiny_llama, "sft", SFT, write_rows(tmp_path, SftRow)))
    start = parent(tmp_path / "sft")
    slow = {**SIMPO, "start_from": "sft", "learning_rate": 1e-9}
    train_simpo.main(**job(tmp_path / "a", tiny_llama, "simpo", slow, rows, start=start))
    before, after = load_file(start[0]), load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert max((after[name] - before[name]).abs().max() for name in before) < 1e-6


def test_a_settings_key_is_named(tmp_path: Path, tiny_llama: Path, rows: str):
    wrong = {key: value for key, value in SIMPO.items() if key != "gamma"}
    with pytest.raises(DataError, match=r"methods\.simpo': missing keys \['gamma'\], unknown keys \[\]"):
        train_simpo.main(**job(tmp_path / "a", tiny_llama, "simpo", wrong, rows))
