"""Which files a source means, where a mirror has them, and which digests they must have.

A mirror and a record of digests are laid out alike, by repository and revision::

    <mirror>/cogint/LogicBench-v1.0/387b044b2ecdea6a9c38b1b627aeb074228f79d5/data/…
    <record>/cogint/LogicBench-v1.0/387b044b2ecdea6a9c38b1b627aeb074228f79d5.sha256

A record has the form of ``sha256sum``: a digest, two spaces and a path on each line.
"""

import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from workflow.lib.errors import DataError, DependencyError, IntegrityError, shorten
from workflow.lib.lora import SETTINGS, WEIGHTS

ADAPTER = [WEIGHTS, SETTINGS]
OF_MODELS = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.model", "*.txt")
RECORDED = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def matches(path: str, pattern: str) -> bool:
    """Return whether ``path`` is what ``pattern`` means; ``**`` stands for any number of folders."""

    def rest(names: Sequence[str], wanted: Sequence[str]) -> bool:
        if not wanted:
            return not names
        if wanted[0] == "**":
            return rest(names, wanted[1:]) or (bool(names) and rest(names[1:], wanted))
        return bool(names) and fnmatchcase(names[0], wanted[0]) and rest(names[1:], wanted[1:])

    return rest(path.split("/"), pattern.split("/"))


def choose(paths: Iterable[str], patterns: Sequence[str], where: str) -> list[str]:
    """Return the ``paths`` that any of ``patterns`` means, each once; every pattern must mean one.

    Args:
        paths: Relative paths, parts joined by slashes.
        patterns: Glob patterns.
        where: Where the paths are, for the message.
    """
    known = sorted(paths)
    chosen = {pattern: [path for path in known if matches(path, pattern)] for pattern in patterns}
    for pattern, found in chosen.items():
        if not found:
            raise DataError(f"{where}: no file matches '{pattern}'. Fix: correct 'files' or the source.")
    return sorted({path for found in chosen.values() for path in found})


def of_model(paths: list[str]) -> list[str]:
    """Return those of ``paths`` that belong to a model: of the top folder, neither pickles nor code."""
    return [path for path in paths if any(matches(path, pattern) for pattern in OF_MODELS)]


def of_adapter(paths: list[str]) -> list[str]:
    """Return the two files of an adapter, which must be among ``paths``."""
    missing = sorted(set(ADAPTER) - set(paths))
    if missing:
        raise DataError(f"adapter: {', '.join(missing)} missing. Fix: name a folder in PEFT's layout.")
    return ADAPTER


def files_below(folder: Path) -> list[str]:
    """Return the paths of all files below ``folder``, relative to it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def link(source: Path, target: Path) -> None:
    """Make ``target`` the same file as ``source``, or a copy of it where links cannot be."""
    try:
        target.hardlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)


def place(paths: Iterable[str], root: Path, folder: Path, how: Callable[[Path, Path], Any] = link) -> None:
    """Put the files ``paths`` of ``root`` below ``folder``, under the same paths."""
    for path in paths:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        how(root / path, target)


def mirrored(mirror: Path, kind: str, repo: str, revision: str) -> Path:
    """Return the folder of a repository at a revision in ``mirror``: by its address, or in a hub's cache.

    Args:
        mirror: Folder with ``owner/name/revision`` below it, or a cache of huggingface_hub.
        kind: ``dataset`` or ``model``.
        repo: Owner and name.
        revision: Commit hash.
    """
    cached = mirror / f"{kind}s--{repo.replace('/', '--')}" / "snapshots" / revision
    for folder in (mirror / repo / revision, cached):
        if folder.is_dir():
            return folder
    raise DependencyError(
        f"{repo}@{revision}: expected the folder {mirror / repo / revision} in PLUMBLINE_MIRROR, found none. "
        "Fix: copy it there, or unset PLUMBLINE_MIRROR to go to the hub."
    )


def read_record(path: Path) -> dict[str, str]:
    """Return the SHA-256 by path that is on record in the file at ``path``; none where there is no file."""
    if not path.is_file():
        return {}
    record = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        found = RECORDED.fullmatch(line)
        if not found:
            raise DataError(
                f"{path}:{number}: expected a SHA-256, two spaces and a path, found {shorten(line)}. "
                "Fix: write it with sha256sum."
            )
        record[found[2].removeprefix("./")] = found[1]
    return record


def check_record(found: Mapping[str, str], checksums: Path, repo: str, revision: str) -> None:
    """Fail unless every file has the digest that is on record, where there is a record.

    Args:
        found: SHA-256 by path of the files that were fetched.
        checksums: Folder of the records.
        repo: Owner and name of the repository that they are from.
        revision: Commit hash.
    """
    record = read_record(checksums / repo / f"{revision}.sha256")
    wrong = [path for path in sorted(found) if record and record.get(path) != found[path]]
    if wrong:
        path, more = wrong[0], f" (and {len(wrong) - 1} more)" if wrong[1:] else ""
        raise IntegrityError(
            f"{repo}@{revision}: {path}: sha256: expected {record.get(path, 'a digest on record')}, "
            f"found {found[path]}{more}. Fix: fetch from where the record was made, or record on purpose."
        )
    print(f"{repo}@{revision}: {len(found) if record else 0} of {len(found)} files are as recorded")
