"""Archives, unpacked with distrust: plain files below one folder, of bounded number and size.

Nothing of an archive that breaks a rule stays on the disk.
"""

import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from workflow.lib.errors import DataError, IntegrityError, shorten

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MOST_MEMBERS = 100_000
MOST_BYTES = 50_000_000_000  # that one archive may hold
LARGEST_RATIO = 100  # bytes held per byte of the archive
ALWAYS_ALLOWED = 1_000_000  # bytes; padding makes the ratio of tiny archives meaningless
CHUNK = 1 << 20  # bytes
BROKEN = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


def is_archive(path: Path) -> bool:
    """Return whether the name of ``path`` is that of an archive that ``unpack`` reads."""
    return path.name.lower().endswith(SUFFIXES)


def is_plain(name: str) -> bool:
    """Return whether ``name`` is a relative path that stays below its folder, in printable characters."""
    parts = PurePosixPath(name).parts
    inside = bool(parts) and not name.startswith("/") and ".." not in parts
    return inside and "\\" not in name and name.isprintable()


def unpack(archive: Path) -> Path:
    """Unpack ``archive`` into the folder ``<archive>.unpacked`` beside it and return that folder.

    Raises:
        DataError: A path that leads out, a link or device, two members of one name, a password, or too many
            members or bytes.
        IntegrityError: The archive is damaged.
    """
    folder = archive.with_name(f"{archive.name}.unpacked")
    folder.mkdir()
    try:
        for number, (name, stream) in enumerate(_members(archive), start=1):
            if number > MOST_MEMBERS:
                raise _refusal(archive, f"at most {MOST_MEMBERS} members", "more")
            _write(archive, folder, name, stream)
    except BROKEN as error:
        shutil.rmtree(folder)
        raise IntegrityError(f"{archive.name}: not a whole archive: {error}. Fix: fetch it again.") from error
    except BaseException:
        shutil.rmtree(folder)
        raise
    return folder


def _refusal(archive: Path, expected: str, found: object) -> DataError:
    fix = "take the files from another source, or unpack it by hand"
    return DataError(f"{archive.name}: refused: expected {expected}, found {shorten(found)}. Fix: {fix}.")


def _write(archive: Path, folder: Path, name: str, stream: IO[bytes] | None) -> None:
    """Write one member below ``folder``; without a stream it is a folder."""
    if not is_plain(name):
        raise _refusal(archive, "paths that stay inside", name)
    target = folder / name
    try:
        (target if stream is None else target.parent).mkdir(parents=True, exist_ok=True)
        if stream is not None:
            with target.open("xb") as written:
                shutil.copyfileobj(stream, written, CHUNK)
    except (FileExistsError, NotADirectoryError):
        raise _refusal(archive, "every path once", name) from None


class _Meter:
    """A stream that stops an archive from giving more than it may."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self.most = min(MOST_BYTES, max(ALWAYS_ALLOWED, LARGEST_RATIO * archive.stat().st_size))
        self.given = 0
        self.stream: IO[bytes] | None = None

    def over(self, stream: IO[bytes]) -> Any:
        """Return this meter, set on ``stream``; what other streams gave still counts."""
        self.stream = stream
        return self

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes of the stream."""
        assert self.stream is not None
        data = self.stream.read(size)
        self.given += len(data)
        if self.given > self.most:
            expected = f"at most {self.most} bytes ({LARGEST_RATIO} times its size, {MOST_BYTES} at the most)"
            raise _refusal(self.archive, expected, "more")
        return data


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Yield the path of every member in order, with its bytes, or ``None`` for a folder."""
    meter = _Meter(archive)
    if archive.suffix.lower() == ".zip":
        yield from _zip_members(archive, meter)
    else:
        with _tar_stream(archive) as stream, tarfile.open(fileobj=meter.over(stream), mode="r|") as tar:
            for entry in tar:
                if not (entry.isdir() or entry.isreg()) or entry.issparse():
                    raise _refusal(archive, "files and folders only", f"a link or device: {entry.name}")
                yield entry.name, None if entry.isdir() else tar.extractfile(entry)


@contextmanager
def _tar_stream(archive: Path) -> Iterator[IO[bytes]]:
    """Open ``archive`` for reading, as its name says: plain or compressed by gzip."""
    if archive.suffix.lower() == ".tar":
        with archive.open("rb") as plain:
            yield plain
    else:
        with gzip.GzipFile(archive) as unzipped:
            yield cast(IO[bytes], unzipped)


def _zip_members(archive: Path, meter: _Meter) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refusal(archive, "files and folders only", f"a link or device: {entry.filename}")
            if entry.flag_bits & 1:
                raise _refusal(archive, "no password", f"one on {entry.filename}")
            if entry.is_dir():
                yield entry.filename, None
            else:
                with opened.open(entry) as stream:
                    yield entry.filename, meter.over(stream)
