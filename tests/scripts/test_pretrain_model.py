"""Pretraining from nothing: whole, repeatable, stopped by the dev measure, and described."""

from pathlib import Path
from typing import Any

import pytest

from tests.training import HARDWARE
from workflow.lib.errors import DataError
from workflow.lib.files import read_json, sha256
from workflow.lib.models import load_base, load_tokenizer
from workflow.scripts.pretrain_model import main

SETTINGS = {
    "kind": "scratch",
    "generator": "pretraining",
    "seed": 3,
    "label_noise": 0.2,
    "misled_noise": 0.7,
    "vocabulary": 400,
    "hidden_size": 32,
    "layers": 1,
    "heads": 1,
    "intermediate_size": 64,
    "context": 256,
    "initializer_range": 0.06,
    "learning_rate": 1.0e-3,
    "batch_size": 8,
    "warmup_steps": 2,
    "max_steps": 4,
    "stop_at_dev_accuracy": 1.0,
}


def pretrain(folder: Path, **changes: Any) -> dict[str, Any]:
    folder.mkdir()
    main(
        snapshot=str(folder / "snapshot"),
        manifest=str(folder / "manifest.json"),
        model="tiny",
        settings={**SETTINGS, **changes},
        threads=1,
    )
    return dict(read_json(folder / "manifest.json"))


def test_the_snapshot_is_whole_and_described(tmp_path: Path) -> None:
    about = pretrain(tmp_path / "a")
    snapshot = tmp_path / "a" / "snapshot"
    model = load_base(snapshot, HARDWARE)
    tokenizer = load_tokenizer(snapshot)
    assert model.config.head_dim == 32
    assert model.num_parameters() == about["parameters"]
    assert len(tokenizer) == model.config.vocab_size <= 400
    assert {entry["path"] for entry in about["files"]} == {p.name for p in snapshot.iterdir()}
    training = about["training"]
    assert training["steps"] == 4
    assert [point["step"] for point in training["dev_curve"]] == [4]
    assert sum(training["by_kind"].values()) == training["texts"] == 32  # 4 steps of 8
    assert 0 < training["left_to_datasets"] < 32


def test_same_seed_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    one, two = (pretrain(tmp_path / name) for name in ("one", "two"))
    assert one == two
    weights = [sha256(tmp_path / name / "snapshot" / "model.safetensors") for name in ("one", "two")]
    assert weights[0] == weights[1]
    assert pretrain(tmp_path / "three", seed=4)["digest"] != one["digest"]


def test_training_stops_when_the_dev_measure_is_reached(tmp_path: Path) -> None:
    about = pretrain(tmp_path / "a", max_steps=120, stop_at_dev_accuracy=0.0)
    assert about["training"]["steps"] == 50  # the first look at dev


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"heads": 2}, "hidden_size: expected 32 per head", id="heads too small for vLLM"),
        pytest.param({"context": 40}, "context: expected", id="texts longer than the context"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        pretrain(tmp_path / "a", **changes)
