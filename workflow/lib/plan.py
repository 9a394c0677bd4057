"""What a dry run is about to cost: jobs by stage, time and disk, from earlier runs of the same rules."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, Protocol


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


def seconds_of(job: Job) -> list[float]:
    """Return the seconds that earlier runs of the job's rule took, from their benchmark files."""
    folder = Path("results/benchmarks") / str(job.rule.name)
    found = []
    for path in sorted(folder.rglob("*.tsv")):
        with path.open(newline="", encoding="utf-8") as stream:
            found += [float(row["s"]) for row in csv.DictReader(stream, delimiter="\t")]
    return found


def megabytes_of(job: Job) -> float | None:
    """Return the size of what the job wrote last time, in MB; ``None`` when it never ran."""
    sizes = [size_of(Path(str(path))) for path in job.output if Path(str(path)).exists()]
    return sum(sizes) / 1e6 if sizes else None


def size_of(path: Path) -> int:
    """Return the bytes in a file or a folder."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)


def plan_summary(dag: Dag) -> str:
    """Return the lines that end a dry run: how many trainings and evaluations, how long, how much disk."""
    jobs = [job for job in dag.jobs if job.benchmark and dag.needrun(job)]
    if not jobs:
        return "Plan: nothing to do."
    counts = Counter(str(job.rule.name) for job in jobs)
    known = {job.rule.name: seconds for job in jobs if (seconds := seconds_of(job))}
    times = [median(known[job.rule.name]) for job in jobs if job.rule.name in known]
    sizes = [size for job in jobs if (size := megabytes_of(job)) is not None]
    lines = [
        f"Plan: {len(jobs)} jobs, {counts['train']} trainings, "
        f"{counts['evaluate'] + counts['evaluate_rewards']} evaluations."
    ]
    lines.append(
        f"Time: about {sum(times) / 60:.1f} minutes of work by the medians of earlier runs"
        + (f"; {len(jobs) - len(times)} jobs have no earlier run." if len(times) < len(jobs) else ".")
        if times
        else "Time: no earlier run here to judge by."
    )
    lines.append(
        f"Disk: about {sum(sizes):.0f} MB are written again."
        if sizes
        else "Disk: no earlier run here to judge by."
    )
    return "\n".join(lines)
