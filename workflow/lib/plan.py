"""What a dry run is about to cost: jobs by stage, time and disk.

Judged by earlier runs of the same rules in this working directory, and by measured runs that ship with the
workflow (``config/expected/<device>.csv``) where there is none.
"""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, Protocol

BENCHMARKS = Path("results/benchmarks")


class Job(Protocol):
    """The part of a Snakemake job that a plan needs."""

    rule: Any
    output: Any
    benchmark: Any


class Dag(Protocol):
    """The part of Snakemake's DAG that a plan needs."""

    jobs: Iterable[Job]

    def needrun(self, job: Job) -> bool:
        """Return whether the job would run."""


def measured_seconds(rule: str) -> float | None:
    """Return the median seconds of earlier jobs of ``rule`` here; ``None`` when there was none."""
    found: list[float] = []
    for path in [*BENCHMARKS.glob(f"{rule}.tsv"), *sorted((BENCHMARKS / rule).rglob("*.tsv"))]:
        with path.open(newline="", encoding="utf-8") as stream:
            found += [float(row["s"]) for row in csv.DictReader(stream, delimiter="\t")]
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


def plan_summary(dag: Dag, expected: dict[str, tuple[float, float]]) -> str:
    """Return the lines that end a dry run: how many trainings and evaluations, how long, how much disk.

    Args:
        dag: Snakemake's graph of jobs.
        expected: Seconds and MB per job by rule, for rules that never ran here.
    """
    jobs = [job for job in dag.jobs if job.benchmark and dag.needrun(job)]
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
    evaluations = counts["evaluate"] + counts["evaluate_rewards"]
    head = f"Plan: {len(jobs)} jobs, {counts['train']} trainings, {evaluations} evaluations."
    if unknown == len(jobs):
        return f"{head}\nTime and disk: no run on this kind of device to judge by yet."
    rest = f"; {unknown} jobs of unknown length" if unknown else ""
    return f"{head}\nTime: about {seconds / 60:.1f} minutes of jobs, one after the other{rest}.\n" + (
        f"Disk: about {megabytes:.0f} MB."
    )
