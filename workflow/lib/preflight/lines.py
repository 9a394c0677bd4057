"""What a check says, and what it is told of the study and of the machine."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from workflow.lib.errors import DataError, DependencyError, PlumblineError
from workflow.lib.estimates import Estimator

WORDS = 13  # columns of the names of checks


@dataclass(frozen=True)
class Line:
    """One line of the outcome."""

    state: Literal["ok", "problem", "not yet"]
    about: str  # key of the config, file or folder; empty where it is the study as a whole
    text: str
    exit_code: int = 0  # of a problem, as ``workflow.lib.errors`` has them

    def told(self, check: str) -> str:
        """Return the line as it is printed."""
        about = f"{self.about}: " if self.about else ""
        return f"{self.state:8} {check:{WORDS}} {about}{self.text}"


@dataclass(frozen=True)
class Site:
    """A study, in the folder of its results, on this machine."""

    study: Mapping[str, Any]
    estimator: Estimator  # of sizes; knows the folders too
    environment: Mapping[str, str]
    offline: bool  # whether the user has switched the hub off

    @property
    def results(self) -> Path:
        """Return the folder of the results."""
        return self.estimator.sizes.results

    @property
    def root(self) -> Path:
        """Return the repository."""
        return self.estimator.sizes.root

    def snapshot(self, model: str) -> Path | None:
        """Return the folder of a model that is here, fetched or in its local place; ``None`` if it is not."""
        settings, fetched = self.study["models"][model], self.results / f"models/{model}/snapshot"
        if fetched.is_dir():
            return fetched
        return Path(settings["path"]) if settings["kind"] == "local" else None

    def teachers_of_vllm(self) -> dict[str, dict[str, Any]]:
        """Return the settings of the teachers that are sampled on this study's devices, by name."""
        return {name: about for name, about in self.study["teachers"].items() if about["kind"] != "api"}


def ok(about: str, text: str) -> Line:
    """Return a line on what is as it should be."""
    return Line("ok", about, text)


def not_yet(about: str, text: str) -> Line:
    """Return a line on what cannot be checked here or now."""
    return Line("not yet", about, text)


def wrong(about: str, text: str) -> Line:
    """Return a line on what must be corrected in the study or its data."""
    return Line("problem", about, text, DataError.exit_code)


def missing(about: str, text: str) -> Line:
    """Return a line on what must be set or installed."""
    return Line("problem", about, text, DependencyError.exit_code)


def of_error(about: str, error: PlumblineError) -> Line:
    """Return the line of an error that a job would end in."""
    return Line("problem", about, str(error), error.exit_code)


def judged(problems: list[Line], fine: Line) -> list[Line]:
    """Return the problems, or the line that all is ``fine``."""
    return problems or [fine]


def gathered(lines: Iterable[Line]) -> list[Line]:
    """Return ``lines`` with those that say the same of several things made one, in the order of the first."""
    same: dict[Line, list[str]] = {}
    for line in lines:
        same.setdefault(replace(line, about=""), []).append(line.about)
    return [replace(line, about=", ".join(filter(None, about))) for line, about in same.items()]
