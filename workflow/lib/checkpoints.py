"""Checkpoints that are whole or not used, and a stop signal that ends in one.

A checkpoint is a folder ``checkpoint-<step>``; ``seal`` writes ``COMPLETE.json`` into it last, with the size
and digest of every file, and ``newest`` returns the last one that still agrees with its seal.
"""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Self

from workflow.lib.errors import DataError, Preempted, StuckError
from workflow.lib.files import read_json, sha256, write_json

SEAL = "COMPLETE.json"
CHECKPOINT_EVERY = 300.0  # seconds
ATTEMPTS = "attempts.json"
MOST_ATTEMPTS = 5  # from one checkpoint, or from the start, that may be cut off before the next one


def seal(checkpoint: Path) -> None:
    """Mark the folder ``checkpoint`` as whole."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != SEAL)
    listing = {
        str(path.relative_to(checkpoint)): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in files
    }
    write_json(checkpoint / SEAL, listing)


def fault_of(checkpoint: Path) -> str | None:
    """Return why ``checkpoint`` cannot be used, or ``None`` if it is whole."""
    if not (checkpoint / SEAL).exists():
        return "it was never finished"
    try:
        listing = read_json(checkpoint / SEAL)
    except DataError as error:
        return str(error)
    for name, expected in listing.items():
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != expected["bytes"] or sha256(path) != expected["sha256"]:
            return f"{name} differs from its digest"
    return None


def newest(folder: Path) -> Path | None:
    """Return the newest whole checkpoint in ``folder``; set the broken ones aside and say so."""
    found = [path for path in folder.glob("checkpoint-*") if path.suffix != ".corrupt"]
    for checkpoint in sorted(
        found, key=lambda path: int(path.name.removeprefix("checkpoint-")), reverse=True
    ):
        fault = fault_of(checkpoint)
        if fault is None:
            return checkpoint
        aside = checkpoint.with_name(f"{checkpoint.name}.corrupt")
        shutil.rmtree(aside, ignore_errors=True)
        checkpoint.rename(aside)
        print(f"checkpoint {checkpoint} set aside: {fault}", flush=True)
    return None


@contextmanager
def counted(folder: Path, checkpoint: Path | None) -> Iterator[None]:
    """Count, within the block, an attempt to get beyond ``checkpoint``; refuse one after ``MOST_ATTEMPTS``.

    An attempt that is killed, or preempted without a new checkpoint, stays counted. One that ends in an error
    of its own does not count: it has said what to do.

    Raises:
        StuckError: As many attempts as may be were cut off at the same place.
    """
    record, place = folder / ATTEMPTS, checkpoint.name if checkpoint else "the start"
    before: dict[str, Any] = read_json(record) if record.exists() else {"from": place, "attempts": 0}
    attempts: int = before["attempts"] if before["from"] == place else 0
    if attempts >= MOST_ATTEMPTS:
        raise StuckError(
            f"{attempts} attempts from {place} were cut off before the next checkpoint. Fix: give the job "
            f"more time or memory (a checkpoint is due every {CHECKPOINT_EVERY:.0f} s), then delete {record}."
        )
    write_json(record, {"from": place, "attempts": attempts + 1})
    try:
        yield
    except Preempted:
        raise
    except BaseException:
        write_json(record, {"from": place, "attempts": attempts})
        raise


class StopSignal:
    """Remembers, within a ``with`` block, that the process was told to stop.

    SIGTERM is what people and Snakemake send; SIGUSR1 is what schedulers send before a time limit.
    """

    def __init__(self) -> None:
        """Start unstopped."""
        self.received = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Listen."""
        for number in (signal.SIGTERM, signal.SIGUSR1):
            self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *error: object) -> None:
        """Put back who listened before."""
        for number, listener in self._before.items():
            signal.signal(number, listener)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.received = True
