"""The files that an evaluation wrote, with their digests: one index in place of hundreds of files as inputs.

Snakemake compares each input of a rule with each output of ``evaluate``, so that rules that name the files of
all policies cost it the square of their number. They name the indices, and read what is listed.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from workflow.lib.errors import IntegrityError, problem
from workflow.lib.files import read_json, sha256, write_json

Kind = Literal["scores", "samples"]


def write_index(
    path: str | Path, *, dataset: str, model: str, task: str, scores: Sequence[str], samples: Sequence[str]
) -> None:
    """Write which files a task brought on one base model, in the order method × seed, with their digests."""
    named = {"dataset": dataset, "model": model, "task": task}
    write_json(path, named | {"scores": listed(scores), "samples": listed(samples)})


def listed(files: Sequence[str]) -> list[dict[str, str]]:
    """Return path and digest of ``files``."""
    return [{"path": str(file), "sha256": sha256(file)} for file in files]


def files_of(indices: Iterable[str], kind: Kind) -> list[str]:
    """Return the files of a kind in all indices, in the order dataset and model × method × seed × task.

    Raises:
        IntegrityError: One is missing, or is not what the evaluation wrote.
    """
    runs: dict[tuple[str, str], list[list[dict[str, Any]]]] = {}
    for path in indices:
        index = read_json(path)
        entries = [entry | {"index": path} for entry in index[kind]]
        runs.setdefault((index["dataset"], index["model"]), []).append(entries)
    return [
        checked(entry) for tasks in runs.values() for policy in zip(*tasks, strict=True) for entry in policy
    ]


def checked(entry: dict[str, str]) -> str:
    """Return the path of an entry whose file is what it was when the index was written."""
    found = sha256(entry["path"]) if Path(entry["path"]).is_file() else "no file"
    if found != entry["sha256"]:
        fix = f"delete {entry['index']} and run again: what is kept in work/ is not scored again"
        raise IntegrityError(problem(entry["path"], "sha256", expected=entry["sha256"], found=found, fix=fix))
    return entry["path"]
