"""Trackers: a clear line where the package is missing; otherwise files on this disk and nothing sent."""

import os
import sys
from pathlib import Path

import pytest

from tests.training import SFT, job, write_rows
from workflow.lib import trackers
from workflow.lib.errors import DependencyError
from workflow.lib.parquet import rows_of
from workflow.lib.records import SftRow
from workflow.lib.trackers import check_installed, tracker_arguments
from workflow.scripts import train_sft

# What TensorBoard's writer is to transformers, in a package of that name.
WRITER = """
class SummaryWriter:
    def __init__(self, log_dir):
        from pathlib import Path
        self.path = Path(log_dir) / "scalars.txt"
        self.path.parent.mkdir(parents=True)
        self.path.write_text("")
    def add_text(self, *told): pass
    def add_scalar(self, name, value, step):
        with self.path.open("a") as stream:
            stream.write(f"{name} {step} {value!r}\\n")
    def flush(self): pass
    def close(self): pass
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the environment back after each test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_a_package_that_is_missing_is_named():
    check_installed([])
    with pytest.raises(DependencyError, match=r"train\.trackers: nosuch is not installed\. Fix: pip install"):
        check_installed(["json", "nosuch"])


def test_it_is_named_before_anything_is_loaded(tmp_path: Path, tiny_llama: Path):
    given = job(tmp_path / "a", tiny_llama, "sft", SFT, "none.parquet", shared={"trackers": ["trackio"]})
    with pytest.raises(DependencyError, match="trackio is not installed"):
        train_sft.main(**given)


def test_without_trackers_nothing_is_touched(tmp_path: Path):
    before = dict(os.environ)
    assert tracker_arguments([], tmp_path / "t", "a/b")["report_to"] == "none"
    assert dict(os.environ) == before and not (tmp_path / "t").exists()


def test_everything_stays_here_unless_one_asks_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: name)
    for variable in ("WANDB_MODE", "WANDB_DIR", "TRACKIO_DIR", "TENSORBOARD_LOGGING_DIR"):
        os.environ.pop(variable, None)
    found = tracker_arguments(["wandb", "trackio", "tensorboard"], tmp_path, "a/b")
    assert found["report_to"] == ["wandb", "trackio", "tensorboard"] and found["run_name"] == "a/b"
    assert found["trackio_static_space_id"] is False
    assert os.environ["WANDB_MODE"] == "offline" and (tmp_path / "wandb").is_dir()
    assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "tensorboard/a/b")
    assert os.environ["TRACKIO_DIR"] == str(tmp_path / "trackio")
    os.environ["WANDB_MODE"] = "online"
    tracker_arguments(["wandb"], tmp_path, "a/b")
    assert os.environ["WANDB_MODE"] == "online"


def test_tensorboard_gets_the_curves(tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch):
    """The package is a stand-in: what transformers hands to its writer is what is looked at."""
    package = tmp_path / "packages/tensorboard"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (tmp_path / "packages/tensorboardX.py").write_text(WRITER)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # it wants the real package
    monkeypatch.setattr("transformers.integrations.integration_utils.is_tensorboard_available", lambda: True)
    monkeypatch.chdir(tmp_path)
    rows = write_rows(tmp_path, SftRow)
    given = job(tmp_path / "a", tiny_llama, "sft", SFT, rows, shared={"trackers": ["tensorboard"]})
    train_sft.main(**given)
    (file,) = (tmp_path / "work/trackers/tensorboard").rglob("scalars.txt")
    assert file.parent == tmp_path / "work/trackers/tensorboard/toy/tiny/sft/seed-1"
    losses = [line.split() for line in file.read_text().splitlines() if line.startswith("train/loss ")]
    curve = [row for row in rows_of(given["outputs"]["curves"]) if row["quantity"] == "loss"]
    assert [(int(step), float(value)) for _, step, value in losses] == [
        (r["step"], r["value"]) for r in curve
    ]
    assert len(curve) == 3
