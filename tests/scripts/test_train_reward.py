"""The reward model on a tiny model: reproducible, its head saved, and pairs told apart."""

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.training import REWARD, ROWS, SFT, check_complete, job, parent, reruns, series, write_rows
from workflow.lib.errors import DataError
from workflow.lib.models import load_tokenizer
from workflow.lib.parquet import rows_of, write_parquet
from workflow.lib.records import Pair, SftRow, load, table
from workflow.lib.training import begin, encode
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


def with_margins(folder: Path, rows: str, margin: float | None) -> str:
    """Write the pairs of ``rows`` with a margin into ``folder``; return the path."""
    folder.mkdir()
    path = str(folder / "Pair.parquet")
    write_parquet(path, table([replace(row, margin=margin) for row in load(rows, Pair)], Pair))
    return path


def test_the_margin_of_the_pairs_changes_no_byte_unless_it_counts(
    tmp_path: Path, tiny_llama: Path, rows: str
):
    other = with_margins(tmp_path / "told", rows, 0.25)
    jobs = [
        job(tmp_path / name, tiny_llama, "reward", REWARD, path) for name, path in (("a", rows), ("b", other))
    ]
    plain, with_margin = reruns(train_reward.main, jobs)
    for file in ("adapter_model.safetensors", "curves.parquet"):
        assert plain[file] == with_margin[file]
    assert plain["README.md"] != with_margin["README.md"]  # it has the digest of the rows


def test_a_margin_must_lie_between_the_scores(tmp_path: Path, tiny_llama: Path, rows: str):
    """At the first step the scores are those of the start: a margin of 100 costs 100 less their gap."""
    wide = with_margins(tmp_path / "wide", rows, 100.0)
    given = job(tmp_path / "a", tiny_llama, "reward", {**REWARD, "margin": True}, wide)
    train_reward.main(**given)
    assert series(given, "loss")[0] == pytest.approx(100.0 - series(given, "margin")[0], abs=1e-3)
    zero = with_margins(tmp_path / "zero", rows, 0.0)
    jobs = [
        job(tmp_path / f"margin-{counts}", tiny_llama, "reward", {**REWARD, "margin": counts}, zero)
        for counts in (False, True)
    ]
    plain, counting = reruns(train_reward.main, jobs)
    assert plain["adapter_model.safetensors"] == counting["adapter_model.safetensors"]


def test_a_pair_without_a_margin_is_named(tmp_path: Path, tiny_llama: Path, rows: str):
    first, *rest = load(rows, Pair)
    write_parquet(rows, table([first, *(replace(row, margin=0.5) for row in rest)], Pair))
    given = job(tmp_path / "a", tiny_llama, "reward", {**REWARD, "margin": True}, rows)
    with pytest.raises(DataError, match="1 of 12 pairs have no margin, as row train-0"):
        train_reward.main(**given)
    assert not (tmp_path / "a").exists()


def test_margins_stay_with_their_pairs_when_a_long_one_is_dropped(
    tmp_path: Path, tiny_llama: Path, rows: str
):
    first, *rest = load(rows, Pair)
    pairs = [replace(first, chosen="x" * 80, margin=9.0)]
    pairs += [replace(row, margin=float(i)) for i, row in enumerate(rest, start=1)]
    write_parquet(rows, table(pairs, Pair))
    given, _ = begin(train_reward.Settings, job(tmp_path / "a", tiny_llama, "reward", REWARD, rows))
    encoded = encode(given, Pair, ["chosen", "rejected"], load_tokenizer(tiny_llama), longest=64)
    data = train_reward.conversations(encoded, margin=True)
    assert (encoded.dropped, data["margin"]) == (1, [float(i) for i in range(1, ROWS)])
    assert "margin" not in train_reward.conversations(encoded, margin=False).column_names


def test_centring_keeps_scores_around_zero(tmp_path: Path, tiny_llama: Path, rows: str):
    """By itself the loss leaves the level of the scores where it is; with the term their mean goes to 0."""
    levels = {}
    for weight in (0.0, 0.5):
        settings = {**REWARD, "centring": weight, "epochs": 8}
        given = job(tmp_path / str(weight), tiny_llama, "reward", settings, rows)
        train_reward.main(**given)
        levels[weight] = [abs(value) for value in series(given, "mean_reward")]
    assert levels[0.0][0] > 0.5  # the random head starts elsewhere
    assert levels[0.5][-1] < 0.25 * levels[0.0][-1]


def test_a_settings_key_is_named(tmp_path: Path, tiny_llama: Path, rows: str):
    with pytest.raises(DataError, match=r"methods\.reward': missing keys \[\], unknown keys \['beta'\]"):
        train_reward.main(**job(tmp_path / "a", tiny_llama, "reward", {**REWARD, "beta": 1.0}, rows))
