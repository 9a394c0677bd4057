"""Lists of files with their sizes and digests: what a folder held when it was written."""

import json
import math
import struct
from pathlib import Path
from typing import Any

from workflow.lib.errors import DataError, IntegrityError
from workflow.lib.files import digest_of, sha256


def list_files(folder: str | Path, base: str | Path | None = None) -> list[dict[str, Any]]:
    """Return path (relative to ``base``), bytes and SHA-256 of every file under ``folder``, by path.

    Args:
        folder: Folder to list, with all folders in it.
        base: Folder that the paths start from; ``folder`` itself when not given.
    """
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return [
        {
            "path": path.relative_to(base or folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
        }
        for path in files
    ]


def check_files(folder: str | Path, files: list[dict[str, Any]]) -> None:
    """Fail unless every one of ``files`` lies under ``folder`` with the recorded digest."""
    for entry in files:
        path = Path(folder) / entry["path"]
        found = sha256(path) if path.is_file() else "no file"
        if found != entry["sha256"]:
            raise IntegrityError(
                f"{path}: sha256: expected {entry['sha256']}, found {found}. Fix: delete it and run again."
            )


def describe_model(snapshot: str | Path, **about: Any) -> dict[str, Any]:
    """Return the manifest of the model in ``snapshot``: ``about`` with files, digest and parameters.

    Raises:
        DataError: The folder has no configuration, no tokenizer (of a classifier ``vocab.txt`` will do) or no
            safetensors weights.
    """
    files = list_files(snapshot)
    names = {entry["path"] for entry in files}
    weights = sorted(name for name in names if name.endswith(".safetensors"))
    needed = {"config.json", "vocab.txt" if "vocab.txt" in names else "tokenizer.json"}
    missing = needed - names
    if missing or not weights:
        lacking = ", ".join(sorted(missing) or ["*.safetensors"])
        raise DataError(
            f"{snapshot}: not a model snapshot: {lacking} missing. Fix: check the model's source."
        )
    parameters = sum(count_parameters(Path(snapshot) / name) for name in weights)
    return {**about, "files": files, "digest": digest_of(files), "parameters": parameters}


def count_parameters(path: str | Path) -> int:
    """Return the number of values in a safetensors file, read from its header alone."""
    return sum(math.prod(shape) for shape in shapes_of(path).values())


def shapes_of(path: str | Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor in a safetensors file by its name, read from the header alone.

    Raises:
        IntegrityError: The file is cut off, or of another format.
    """
    size = Path(path).stat().st_size
    with Path(path).open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        text = stream.read(length) if length <= size else b""
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise IntegrityError(f"{path}: expected a safetensors file, found another header: {error}") from error
    if 8 + length + end != size:
        raise IntegrityError(f"{path}: expected {8 + length + end} bytes, found {size}. Fix: get it again.")
    return {name: tuple(entry["shape"]) for name, entry in header.items()}
