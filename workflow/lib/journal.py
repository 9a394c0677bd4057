"""Journals: what must survive a kill, one JSON object per line, appended as it comes.

Every attempt appends to a part file of its own, one write per record, ASCII only, so that a line is ended by
a line feed and by nothing in a text. A reader merges all parts by ``id``: the first record wins. A part that
a kill cut ends in a fragment: it is moved aside and costs one record. A bad line elsewhere is damage, and
stops the reader.
"""

import fcntl
import json
import os
import re
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from workflow.lib.errors import IntegrityError

SYNC_RECORDS = 16  # records after which the disk must have them
SYNC_SECONDS = 1.0  # or seconds, whichever is first
PART = re.compile(r"part-(?P<job>.+)-(?P<attempt>\d+)\.jsonl")
Record = dict[str, Any]


@dataclass(frozen=True)
class Merged:
    """All records of some journals."""

    records: Mapping[str, Record]  # by id
    folders: Mapping[str, Path]  # that a record is from, by id
    conflicts: int  # later records of an id that say something else
    fragments: int  # bytes at the end of a part that a kill cut


class Journal:
    """A new part in ``folder`` to append records to; a context that closes it."""

    def __init__(self, folder: Path) -> None:
        """Open the part of this attempt, numbered after all that there are."""
        folder.mkdir(parents=True, exist_ok=True)
        job = os.environ.get("SLURM_JOB_ID", f"{socket.gethostname()}-{os.getpid()}")
        attempt = 1 + max((_attempt(part) for part in parts_of(folder)), default=0)
        self.path = folder / f"part-{job}-{attempt}.jsonl"
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        _lock(self._descriptor)  # until it is closed, by a kill too
        self._unsynced, self._synced = 0, time.monotonic()

    def __enter__(self) -> Self:
        """Return the journal."""
        return self

    def __exit__(self, *_: object) -> None:
        """Bring everything to the disk and close the part; one without a record is removed."""
        os.fsync(self._descriptor)
        os.close(self._descriptor)
        if not self.path.stat().st_size:
            self.path.unlink()

    def append(self, record: Record) -> None:
        """Append ``record``, which has an ``id``, in one write."""
        line = json.dumps(record, sort_keys=True, ensure_ascii=True, allow_nan=False).encode() + b"\n"
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise OSError(f"could not write {self.path}: {written} of {len(line)} bytes. Fix: make room.")
        self._unsynced += 1
        now = time.monotonic()
        if self._unsynced >= SYNC_RECORDS or now - self._synced >= SYNC_SECONDS:
            os.fsync(self._descriptor)
            self._unsynced, self._synced = 0, now


def parts_of(folder: Path) -> list[Path]:
    """Return the parts in ``folder`` in the order in which they were begun."""
    parts = [path for path in folder.glob("part-*.jsonl") if PART.fullmatch(path.name)]
    return sorted(parts, key=lambda part: (_attempt(part), part.name))


def at_work(folder: Path) -> list[Path]:
    """Return the parts in ``folder`` that a living process appends to, as far as the file system tells."""
    found = []
    for part in parts_of(folder):
        descriptor = os.open(part, os.O_RDWR)
        try:
            if not _lock(descriptor):
                found.append(part)
        finally:
            os.close(descriptor)
    return found


def _lock(descriptor: int) -> bool:
    """Lock a file and return whether nobody else has; where there are no locks nobody is known to."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def mend(folder: Path) -> int:
    """Move the fragment at the end of every part in ``folder`` to ``<part>.torn``; return their number."""
    mended = 0
    for part in parts_of(folder):
        content = part.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        fragment = content[len(whole) :]
        if fragment and _complete(fragment) is None:
            part.with_name(f"{part.name}.torn").write_bytes(fragment)
            os.truncate(part, len(whole))
            mended += 1
    return mended


def merge(folders: Iterable[Path]) -> Merged:
    """Return the records of all parts in ``folders``, in this order; of several with one id the first.

    Raises:
        IntegrityError: A line that was ended is not a record.
    """
    records: dict[str, Record] = {}
    origins: dict[str, Path] = {}
    conflicts = fragments = 0
    for folder in folders:
        for part in parts_of(folder):
            found, cut = _read(part)
            fragments += cut
            for record in found:
                key = record["id"]
                conflicts += key in records and records[key] != record
                if key not in records:
                    records[key], origins[key] = record, folder
    return Merged(records, origins, conflicts, fragments)


def _read(part: Path) -> tuple[list[Record], int]:
    """Return the records of one part, and whether a fragment follows them."""
    *lines, last = part.read_bytes().split(b"\n")
    records = [_record(line, f"{part}:{number}") for number, line in enumerate(lines, start=1)]
    complete = _complete(last)
    return records + ([] if complete is None else [complete]), int(bool(last) and complete is None)


def _record(line: bytes, place: str) -> Record:
    """Return the record in one ended line; ``place`` is its file and number, for the message."""
    try:
        record = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        column = error.start + 1
    except json.JSONDecodeError as error:
        column = error.colno
    else:
        if isinstance(record, dict) and isinstance(record.get("id"), str):
            return record
        column = 1
    raise IntegrityError(
        f"{place}:{column}: not a journaled record. Expected a JSON object with an id: the file was changed. "
        "Fix: restore it, or delete this line; only what it held is asked for again."
    )


def _complete(fragment: bytes) -> Record | None:
    """Return the record that a line without its end holds nevertheless, or ``None``."""
    try:
        return _record(fragment, "")
    except IntegrityError:
        return None


def _attempt(part: Path) -> int:
    found = PART.fullmatch(part.name)
    return int(found["attempt"]) if found else 0
