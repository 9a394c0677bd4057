"""What Snakemake measured of a job: the file that its rule's ``benchmark`` names, written when the job ends.

Memory is the resident memory of all the job's processes together, looked at twice a second for the first
quarter of a minute and every half minute from then on: a short peak may be missed. The first look sees a
process that has hardly begun, so a job that ends before the second has a time and nothing else. Of several
attempts only the last one, which succeeded, is there.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

AT_ONCE = 5.0  # seconds, at most, from the last line of a log to the end of the job
SECOND_LOOK = 0.5  # seconds after the first, which is at once
UNKNOWN = ("NA", "-")  # never looked at; a system that does not tell


@dataclass(frozen=True)
class Measured:
    """One job, as it was measured."""

    noted: float  # seconds since 1970: when Snakemake last touched the file
    seconds: float
    peak_rss_mib: float | None
    cpu_seconds: float | None  # up to the last look


def read_benchmark(path: Path) -> Measured | None:
    """Return what the file at ``path`` says; ``None`` where there is none, or none that is whole."""
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as stream:
        row = next(csv.DictReader(stream, delimiter="\t"), None)
    if row is None or not row["s"]:
        return None
    seconds = float(row["s"])
    known = seconds >= SECOND_LOOK and "max_rss" in row and row["max_rss"] not in UNKNOWN
    return Measured(
        noted=path.stat().st_mtime,
        seconds=seconds,
        peak_rss_mib=float(row["max_rss"]) if known else None,
        cpu_seconds=float(row["cpu_time"]) if known else None,
    )


def end_of(measured: Measured, log: Path, called: float) -> float:
    """Return when a job ended, in seconds since 1970.

    Snakemake touches the benchmark file once it learns of the end: at once of a job that it ran itself, up to
    minutes later of one that it asks a scheduler about, and whenever it is called with ``--touch``. The log
    is written by the job alone; its last line comes shortly before the end.

    Args:
        measured: From the job's benchmark file.
        log: Of the job.
        called: When the call of Snakemake began that planned the job: no job begins before.
    """
    if not log.is_file() or measured.noted - log.stat().st_mtime <= AT_ONCE:
        return measured.noted
    return min(measured.noted, max(log.stat().st_mtime, called + measured.seconds))
