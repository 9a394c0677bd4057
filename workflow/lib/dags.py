"""What the plan and the journal of reasons need of Snakemake's graph of jobs, and no more."""

from collections.abc import Iterable
from typing import Any, Protocol

BENCHMARKS = "results/benchmarks"


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


def rule_of(job: Job) -> str:
    """Return what the rule of a job is called here, whatever another workflow calls it; "" if not ours."""
    return str(job.benchmark).partition(f"{BENCHMARKS}/")[2].partition("/")[0].removesuffix(".tsv")
