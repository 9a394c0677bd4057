"""The reward model on a tiny model: reproducible, its head saved, and pairs told apart."""

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.training import REWARD, SFT, check_complete, job, parent, reruns, write_rows
from workflow.lib.errors import DataError
from workflow.lib.parquet import rows_of, write_parquet
from workflow.lib.records import Pair, SftRow, load, table
from workflow.scripts import train_reward, train_sft

HEAD = "base_model.model.score.weight"


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_rows(tmp_path, Pair)


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path, tiny_llama: Path, rows: str):
    jobs = [
        job(tmp_path / name, tiny_llama, "reward", REWARD, rows, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    first, again, other = reruns(train_reward.main, jobs)
    assert first == again
    assert first["adapter_model.safetensors"] != other["adapter_model.safetensors"]
    check_complete(jobs[0], steps=3, quantities={"loss", "accuracy", "margin", "mean_reward"})


def test_it_learns_and_saves_its_head(tmp_path: Path, tiny_llama: Path, rows: str):
    given = job(tmp_path / "a", tiny_llama, "reward", {**REWARD, "epochs": 6}, rows)
    train_reward.main(**given)
    curves = rows_of(given["outputs"]["curves"])
    margins = [row["value"] for row in curves if row["quantity"] == "margin"]
    assert margins[-1] > margins[0] + 1.0
    tensors = load_file(given["outputs"]["adapter"])
    assert tensors[HEAD].shape == (1, 64)
    assert sum(".lora_" in name for name in tensors) == len(tensors) - 1 > 0


def test_it_may_start_from_an_sft_adapter(tmp_path: Path, tiny_llama: Path, rows: str):
    train_sft.main(**job(tmp_path / "sft", tiny_llama, "sft", SFT, write_rows(tmp_path, SftRow)))
    start = parent(tmp_path / "sft")
    slow = {**REWARD, "start_from": "sft", "learning_rate": 1e-9}
    train_reward.main(**job(tmp_path / "a", tiny_llama, "reward", slow, rows, start=start))
    before, after = load_file(start[0]), load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert after.keys() - before.keys() == {HEAD}
    assert max((after[name] - before[name]).abs().max() for name in before) < 1e-6


def test_the_margin_of_the_pairs_changes_no_byte(tmp_path: Path, tiny_llama: Path, rows: str):
    told = tmp_path / "told"
    told.mkdir()
    other = write_rows(told, Pair)
    write_parquet(other, table([replace(row, margin=0.25) for row in load(rows, Pair)], Pair))
    jobs = [
        job(tmp_path / name, tiny_llama, "reward", REWARD, path) for name, path in (("a", rows), ("b", other))
    ]
    plain, with_margin = reruns(train_reward.main, jobs)
    for file in ("adapter_model.safetensors", "curves.parquet"):
        assert plain[file] == with_margin[file]
    assert plain["README.md"] != with_margin["README.md"]  # it has the digest of the rows


def test_a_settings_key_is_named(tmp_path: Path, tiny_llama: Path, rows: str):
    with pytest.raises(DataError, match=r"methods\.reward': missing keys \[\], unknown keys \['beta'\]"):
        train_reward.main(**job(tmp_path / "a", tiny_llama, "reward", {**REWARD, "beta": 1.0}, rows))
