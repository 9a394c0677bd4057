"""What a dry run is about to cost: jobs by stage, time and disk; and what it fetches, under which licence.

Judged by earlier runs of the same rules in this working directory, and by measured runs that ship with the
workflow (``config/expected/<device>.csv``) where there is none. Sizes of fetches are the study's own.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from workflow.lib.benchmarks import read_benchmark

BENCHMARKS = Path("results/benchmarks")
TRAININGS = ("train", "try_settings")
EVALUATIONS = ("evaluate", "evaluate_again", "evaluate_rewards", "score_trials")
NO_LICENCE = {"licence": "licence not stated"}  # of what lies in a local folder


class Job(Protocol):
    """The part of a Snakemake job that a plan and the journal of reasons need."""

    rule: Any
    output: Any
    benchmark: Any
    log: Any
    wildcards: Any
    threads: int
    resources: Any


class Dag(Protocol):
    """The part of Snakemake's DAG that they need."""

    jobs: Iterable[Job]

    def needrun(self, job: Job) -> bool:
        """Return whether the job would run."""

    def reason(self, job: Job) -> Any:
        """Return why, as text with the files in question."""


def measured_seconds(rule: str) -> float | None:
    """Return the median seconds of earlier jobs of ``rule`` here; ``None`` when there was none."""
    found: list[float] = []
    for path in [*BENCHMARKS.glob(f"{rule}.tsv"), *sorted((BENCHMARKS / rule).rglob("*.tsv"))]:
        measured = read_benchmark(path)
        found += [measured.seconds] if measured else []
    return median(found) if found else None


def measured_megabytes(job: Job) -> float | None:
    """Return the size of what the job wrote last time, in MB; ``None`` when it never ran."""
    paths = [Path(str(path)) for path in job.output]
    sizes = [size_of(path) for path in paths if path.exists()]
    return sum(sizes) / 1e6 if sizes else None


def size_of(path: Path) -> int:
    """Return the bytes in a file or a folder."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


def read_expected(path: str | Path) -> dict[str, tuple[float, float]]:
    """Return seconds and MB per job by rule, as measured for this kind of device; empty if never."""
    if not Path(path).is_file():
        return {}
    with Path(path).open(newline="", encoding="utf-8") as stream:
        return {
            row["rule"]: (float(row["seconds"]), float(row["megabytes"])) for row in csv.DictReader(stream)
        }


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


def planned_fetches(jobs: Iterable[Job], study: dict[str, Any]) -> list[Fetch]:
    """Return what ``jobs`` fetch, by name.

    Args:
        jobs: Planned jobs.
        study: The checked configuration.
    """
    found = [
        fetch for job in jobs if job.rule.name in FETCHES for fetch in FETCHES[job.rule.name](job, study)
    ]
    return sorted(found, key=lambda fetch: fetch.name)


def fetches_of_dataset(job: Job, study: dict[str, Any]) -> Iterator[Fetch]:
    """Yield what the sources of a dataset fetch."""
    dataset = str(job.wildcards.dataset)
    settings = study["datasets"][dataset]
    for source in settings["sources"]:
        yield fetch_of(f"{dataset}/{source['name']}", source, settings["licence"])


def fetches_of_model(job: Job, study: dict[str, Any]) -> Iterator[Fetch]:
    """Yield what a model fetches."""
    name = str(job.wildcards.model)
    settings = {"files": ["*"], **NO_LICENCE, **study["models"][name]}
    yield fetch_of(name, settings, settings["licence"])


def fetches_of_adapter(job: Job, study: dict[str, Any]) -> Iterator[Fetch]:
    """Yield what the adapter of a teacher fetches."""
    name = str(job.wildcards.teacher)
    settings = {"files": ["adapter_*"], **NO_LICENCE, **study["teachers"][name]["adapter"]}
    yield fetch_of(f"{name} (adapter)", settings, settings["licence"])


def fetch_of(name: str, settings: dict[str, Any], licence: str) -> Fetch:
    """Return what one source or model fetches; local files are measured."""
    if settings["kind"] == "hub":
        return Fetch(name, f"{settings['repo']}@{settings['revision']}", settings["megabytes"], licence)
    root = Path(settings["path"])
    files = {path for pattern in settings["files"] for path in root.glob(pattern) if path.is_file()}
    return Fetch(name, f"folder {root}", sum(size_of(path) for path in files) / 1e6, licence)


FETCHES: dict[str, Callable[[Job, dict[str, Any]], Iterator[Fetch]]] = {
    "fetch_dataset": fetches_of_dataset,
    "fetch_model": fetches_of_model,
    "fetch_adapter": fetches_of_adapter,
}


def plan_summary(dag: Dag, expected: dict[str, tuple[float, float]], study: dict[str, Any]) -> str:
    """Return the lines that end a dry run: trainings, evaluations, time, disk and fetches.

    Args:
        dag: Snakemake's graph of jobs.
        expected: Seconds and MB per job by rule, for rules that never ran here.
        study: The checked configuration.
    """
    jobs = [job for job in dag.jobs if job.benchmark and dag.needrun(job)]
    fetches = planned_fetches(jobs, study)
    total = sum(fetch.megabytes for fetch in fetches)
    head = [f"Fetches: {len(fetches)}, about {in_words(total)} on top."] if fetches else []
    return "\n".join([cost_of(jobs, expected), *head, *map(str, fetches)])


def cost_of(jobs: list[Job], expected: dict[str, tuple[float, float]]) -> str:
    """Return the lines on the number of ``jobs``, their time and their disk; fetches are told apart."""
    if not jobs:
        return "Plan: nothing to do."
    counts = Counter(str(job.rule.name) for job in jobs)
    seconds, megabytes, unknown = 0.0, 0.0, 0
    by_rule = {rule: measured_seconds(rule) for rule in counts}
    for job in jobs:
        rule = str(job.rule.name)
        time, size = by_rule[rule], measured_megabytes(job)
        shipped = expected.get(rule, (None, None))
        time, size = shipped[0] if time is None else time, shipped[1] if size is None else size
        seconds, megabytes = seconds + (time or 0.0), megabytes + (size or 0.0)
        unknown += time is None
    trainings, evaluations = (sum(counts[rule] for rule in rules) for rules in (TRAININGS, EVALUATIONS))
    head = f"Plan: {len(jobs)} jobs, {trainings} trainings, {evaluations} evaluations."
    if unknown == len(jobs):
        return f"{head}\nTime and disk: no run on this kind of device to judge by yet."
    rest = f"; {unknown} jobs of unknown length" if unknown else ""
    return f"{head}\nTime: about {seconds / 60:.1f} minutes of jobs, one after the other{rest}.\n" + (
        f"Disk: about {megabytes:.0f} MB."
    )
