"""Checkpoints: only whole ones are used, newest first; a stop signal is remembered, not obeyed at once."""

import os
import signal
from pathlib import Path

import pytest

from workflow.lib.checkpoints import MOST_ATTEMPTS, StopSignal, counted, fault_of, newest, seal
from workflow.lib.errors import NumericalError, Preempted, StuckError


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


def attempt(work: Path, checkpoint: Path | None, ends: type[BaseException] | None) -> None:
    """Make an attempt that ends so; one that is killed leaves behind what ``Preempted`` leaves."""
    try:
        with counted(work, checkpoint):
            if ends:
                raise ends("it ends")
    except (NumericalError, Preempted, KeyboardInterrupt):
        pass


def test_attempts_that_get_no_further_are_limited(work: Path) -> None:
    checkpoint = work / "checkpoint-9"
    for _ in range(MOST_ATTEMPTS):
        attempt(work, None, Preempted)
    with pytest.raises(StuckError, match="5 attempts from the start were cut off"):
        attempt(work, None, None)
    for _ in range(MOST_ATTEMPTS):  # another place: it got further
        attempt(work, checkpoint, Preempted)
    with pytest.raises(StuckError, match="5 attempts from checkpoint-9 were cut off") as caught:
        attempt(work, checkpoint, None)
    assert caught.value.exit_code == 1 and str(work / "attempts.json") in str(caught.value)


@pytest.mark.parametrize("error", [NumericalError, KeyboardInterrupt])
def test_an_error_of_its_own_is_no_attempt_that_was_cut_off(work: Path, error: type[BaseException]) -> None:
    for _ in range(2 * MOST_ATTEMPTS):
        attempt(work, None, error)
    attempt(work, None, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_is_remembered_within_the_block_only(number: signal.Signals):
    before = signal.getsignal(number)
    with StopSignal() as stop:
        assert not stop.received
        os.kill(os.getpid(), number)
        assert stop.received
    assert signal.getsignal(number) == before
