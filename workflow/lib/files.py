"""Files that are whole or absent: atomic writes, digests, and the formats the stages exchange.

A reader never sees half a file: everything is written beside its destination, flushed to the disk
and renamed. Same content, same bytes: JSON has sorted keys.
"""

import csv
import hashlib
import io
import json
import os
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workflow.lib.errors import DataError

STALE_AFTER = 24 * 3600  # seconds after which another attempt's temporary file is litter
CHUNK = 1 << 20  # bytes


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` when the block ends without an error.

    The temporary name carries host, process and job, so two attempts never write into one file.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    job = os.environ.get("SLURM_JOB_ID", "0")
    temporary = target.parent / f".{target.name}.tmp.{socket.gethostname()}.{os.getpid()}.{job}"
    _sweep(target)
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, target)
        _sync(target.parent)
    except OSError as error:
        raise OSError(error.errno, f"could not write {target}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(target: Path) -> None:
    for litter in target.parent.glob(f".{target.name}.tmp.*"):
        if time.time() - litter.stat().st_mtime > STALE_AFTER:
            litter.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically."""
    write_bytes(path, text.encode())


def copy_file(source: str | Path, path: str | Path) -> None:
    """Copy the file ``source`` to ``path`` atomically."""
    with replacing(path) as temporary:
        shutil.copyfile(source, temporary)


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` to ``path`` as JSON with sorted keys; NaN and infinity are refused."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: str | Path) -> Any:
    """Return the JSON value in the file at ``path``."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not JSON: {error}. Fix: delete it and run again.") from error


def write_jsonl(path: str | Path, records: Iterable[dict[str, Any]]) -> None:
    """Write ``records`` to ``path``, one ASCII-only JSON object per line."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        for record in records:
            stream.write(json.dumps(record, sort_keys=True, allow_nan=False).encode() + b"\n")


def read_jsonl(path: str | Path) -> list[dict[str, Any]]:
    """Return the records in the JSON Lines file at ``path``; only a line feed ends a line."""
    records = []
    for row, line in enumerate(Path(path).read_bytes().split(b"\n"), start=1):
        if line.strip():
            try:
                records.append(json.loads(line.decode("utf-8")))
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise DataError(f"{path}:{row}: not a JSON record: {error}") from error
    return records


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of the file at ``path`` in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def digest_of(value: Any) -> str:
    """Return a SHA-256 of a JSON value that does not depend on the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def write_csv(path: str | Path, rows: list[dict[str, Any]], columns: list[str]) -> None:
    """Write ``rows`` to ``path`` as CSV with exactly ``columns``; an absent value is left empty."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, stream.getvalue())


def read_csv(path: str | Path) -> list[dict[str, str]]:
    """Return the rows of the CSV file at ``path``, every cell as text."""
    with Path(path).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
