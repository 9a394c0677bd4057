"""ORPO on a tiny model: reproducible, trained on exactly the rendered tokens, and preferring the chosen."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.training import ORPO, SFT, check_complete, job, parent, reruns, write_rows
from workflow.lib.errors import DataError
from workflow.lib.parquet import rows_of
from workflow.lib.records import Pair, SftRow
from workflow.scripts import train_orpo, train_sft


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_rows(tmp_path, Pair)


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path, tiny_llama: Path, rows: str):
    jobs = [
        job(tmp_path / name, tiny_llama, "orpo", ORPO, rows, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    first, again, other = reruns(train_orpo.main, jobs)
    assert first == again
    assert first["adapter_model.safetensors"] != other["adapter_model.safetensors"]
    check_complete(jobs[0], steps=3, quantities={"loss", "nll_loss", "log_odds_chosen", "rewards/margins"})


def test_the_weight_of_the_odds_ratio_counts(tmp_path: Path, tiny_llama: Path, rows: str):
    odds = []
    for weight in (1e-6, 5.0):
        given = job(tmp_path / str(weight), tiny_llama, "orpo", {**ORPO, "lambda": weight, "epochs": 6}, rows)
        train_orpo.main(**given)
        curves = rows_of(given["outputs"]["curves"])
        odds.append([row["value"] for row in curves if row["quantity"] == "log_odds_chosen"][-1])
    assert odds[1] > odds[0] + 0.5


def test_rows_are_trained_as_they_are_rendered():
    """TRL's own tokenisation would put a second EOS (0) after a line break (9) that the template adds."""
    row = {"prompt_ids": [1, 5, 2], "chosen_ids": [6, 0, 9], "rejected_ids": [7, 8, 0, 9]}
    columns = train_orpo.TokenTrainer.tokenize_row(None, row)
    assert columns["chosen_input_ids"] == [1, 5, 2, 6, 0, 9]
    assert columns["chosen_labels"] == [-100, -100, -100, 6, 0, 9]
    assert columns["rejected_labels"] == [-100, -100, -100, 7, 8, 0, 9]
    assert columns["rejected_attention_mask"] == [1] * 7


def test_the_start_is_continued(tmp_path: Path, tiny_llama: Path, rows: str):
    train_sft.main(**job(tmp_path / "sft", tiny_llama, "sft", SFT, write_rows(tmp_path, SftRow)))
    start = parent(tmp_path / "sft")
    slow = {**ORPO, "start_from": "sft", "learning_rate": 1e-9}
    train_orpo.main(**job(tmp_path / "a", tiny_llama, "orpo", slow, rows, start=start))
    before, after = load_file(start[0]), load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert max((after[name] - before[name]).abs().max() for name in before) < 1e-6


def test_a_settings_key_is_named(tmp_path: Path, tiny_llama: Path, rows: str):
    wrong = {key: value for key, value in ORPO.items() if key != "lambda"}
    with pytest.raises(DataError, match=r"methods\.orpo': missing keys \['lambda'\], unknown keys \[\]"):
        train_orpo.main(**job(tmp_path / "a", tiny_llama, "orpo", wrong, rows))
