"""What a study takes from the hub or from folders: where from, how large, under which licence."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NO_LICENCE = {"licence": "licence not stated"}  # of what lies in a local folder


@dataclass(frozen=True)
class Fetch:
    """One repository or folder that a job fetches."""

    name: str
    origin: str
    megabytes: float
    licence: str

    def __str__(self) -> str:
        """Return the line that a dry run prints."""
        return f"  {self.name}: {self.origin}, {in_words(self.megabytes)}, {self.licence}"


def in_words(megabytes: float) -> str:
    """Return a size with its unit."""
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.3g} MB"


def size_of(path: Path) -> int:
    """Return the bytes in a file or a folder."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


def of_dataset(name: str, study: dict[str, Any]) -> Iterator[Fetch]:
    """Yield what the sources of a dataset fetch; nothing where they are generated."""
    settings = study["datasets"][name]
    for source in settings["sources"]:
        if source["kind"] != "generator":
            yield fetch_of(f"{name}/{source['name']}", source, settings["licence"])


def of_model(name: str, study: dict[str, Any]) -> Iterator[Fetch]:
    """Yield what a model fetches; nothing where it is trained from scratch."""
    settings = {"files": ["*"], **NO_LICENCE, **study["models"][name]}
    if settings["kind"] != "scratch":
        yield fetch_of(name, settings, settings["licence"])


def of_adapter(name: str, study: dict[str, Any]) -> Iterator[Fetch]:
    """Yield what the adapter of a teacher fetches; nothing where the teacher has none."""
    if study["teachers"][name]["kind"] == "adapter":
        settings = {"files": ["adapter_*"], **NO_LICENCE, **study["teachers"][name]["adapter"]}
        yield fetch_of(f"{name} (adapter)", settings, settings["licence"])


def fetch_of(name: str, settings: dict[str, Any], licence: str) -> Fetch:
    """Return what one source or model fetches; local files are measured."""
    if settings["kind"] == "hub":
        return Fetch(name, f"{settings['repo']}@{settings['revision']}", settings["megabytes"], licence)
    root = Path(settings["path"])
    files = {path for pattern in settings["files"] for path in root.glob(pattern) if path.is_file()}
    return Fetch(name, f"folder {root}", sum(size_of(path) for path in files) / 1e6, licence)


# Rule → the wildcard that names what it fetches, and what that takes.
FETCHES: dict[str, tuple[str, Callable[[str, dict[str, Any]], Iterator[Fetch]]]] = {
    "fetch_dataset": ("dataset", of_dataset),
    "fetch_model": ("model", of_model),
    "fetch_adapter": ("teacher", of_adapter),
}


def fetches_of(rule: str, wildcards: Any, study: dict[str, Any]) -> list[Fetch]:
    """Return what a job of ``rule`` fetches; nothing where it is not a rule that fetches."""
    if rule not in FETCHES:
        return []
    wildcard, found = FETCHES[rule]
    return list(found(str(getattr(wildcards, wildcard)), study))
