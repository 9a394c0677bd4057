"""Checkpoints: only whole ones are used, newest first; a stop signal is remembered, not obeyed at once."""

import os
import signal
from pathlib import Path

import pytest

from workflow.lib.checkpoints import StopSignal, fault_of, newest, seal


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Return a folder with the sealed checkpoints 9 and 10."""
    for step in (9, 10):
        checkpoint = tmp_path / f"checkpoint-{step}"
        (checkpoint / "ref").mkdir(parents=True)
        (checkpoint / "state.pt").write_bytes(b"state" * step)
        (checkpoint / "ref" / "adapter.safetensors").write_bytes(b"tensors")
        seal(checkpoint)
    return tmp_path


def test_the_newest_whole_one_is_taken(work: Path):
    assert newest(work) == work / "checkpoint-10"  # by number, not by name
    assert newest(work / "nowhere") is None


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (lambda c: (c / "state.pt").write_bytes(b"stat"), "state.pt differs"),
        (lambda c: (c / "state.pt").write_bytes(b"State" * 10), "state.pt differs"),
        (lambda c: (c / "ref" / "adapter.safetensors").unlink(), "ref/adapter.safetensors is missing"),
        (lambda c: (c / "COMPLETE.json").unlink(), "never finished"),
        (lambda c: (c / "COMPLETE.json").write_text("{"), "not JSON"),
    ],
    ids=["truncated", "changed", "missing", "unsealed", "torn seal"],
)
def test_a_broken_one_is_set_aside_and_named(work: Path, harm, fault, capsys: pytest.CaptureFixture[str]):
    harm(work / "checkpoint-10")
    assert fault in str(fault_of(work / "checkpoint-10"))
    assert newest(work) == work / "checkpoint-9"
    assert fault in capsys.readouterr().out
    assert (work / "checkpoint-10.corrupt").is_dir()
    assert newest(work) == work / "checkpoint-9"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_is_remembered_within_the_block_only(number: signal.Signals):
    before = signal.getsignal(number)
    with StopSignal() as stop:
        assert not stop.received
        os.kill(os.getpid(), number)
        assert stop.received
    assert signal.getsignal(number) == before
