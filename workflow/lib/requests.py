"""What the jobs of each rule used of what they had asked a scheduler for, and what would have done.

What would do is the most that any job took, with room, rounded up. For memory the room is half as much
again, and at least 400 MB (two processes of Snakemake, 170 MB each, share what a job on SLURM has), in steps
of 500 MB; for time, which differs more between machines, as much again, in steps of ten minutes. Advice is
given where at least ``FEWEST`` jobs were measured and they asked for twice what would do, or where one came
so close to what it asked for that the next may fail.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from workflow.lib.fetches import in_words
from workflow.lib.wording import NARROW, duration

FEWEST = 3  # measured jobs of a rule below which nothing is advised
WASTE = 2.0  # times what would do
CLOSE = 0.9  # of what was asked for
MB_PER_MIB = 1.048576
Row = dict[str, Any]


@dataclass(frozen=True)
class Need:
    """One kind of request: how much room it needs, in which steps it is made, and how it is said."""

    what: str
    room: float  # share of what was taken
    least_room: float
    step: int
    words: Callable[[float], str]

    def enough(self, most: float) -> int:
        """Return what would have done for jobs that took ``most``."""
        wanted = most + max(self.room * most, self.least_room)
        return self.step * max(1, math.ceil(round(wanted / self.step, 6)))


def memory_in_words(megabytes: float) -> str:
    """Return a size without a decimal that says nothing, as ``64 GB``."""
    return in_words(megabytes).replace(".0 ", " ").replace(" ", NARROW)


def time_in_words(minutes: float) -> str:
    """Return a time without a second unit that says nothing, as ``12 h``."""
    return duration(60 * minutes).removesuffix(f" 0{NARROW}s").removesuffix(f" 0{NARROW}min")


MEMORY = Need("memory", 0.5, 400, 500, memory_in_words)  # MB
TIME = Need("time", 1.0, 0, 10, time_in_words)  # minutes


def advice(rule: str, jobs: int, need: Need, asked: float | None, most: float | None) -> str:
    """Return a sentence on what the ``jobs`` of a rule should ask for, or nothing.

    Args:
        rule: Its name.
        jobs: How many were measured.
        need: Memory or time.
        asked: What they asked for, if anything.
        most: What any of them took, if it was measured.
    """
    if asked is None or most is None or jobs < FEWEST:
        return ""
    enough, took = need.enough(most), f"{rule} asked for {need.words(asked)} of {need.what} and took at most"
    if most > CLOSE * asked:
        return f"{took} {need.words(most)} in {jobs} jobs, which is close: ask for {need.words(enough)}."
    if asked >= WASTE * enough:
        return f"{took} {need.words(most)} in {jobs} jobs: {need.words(enough)} would do."
    return ""


def largest(rows: Iterable[Row], column: str) -> Any:
    """Return the largest value of a column; ``None`` where no row has one."""
    return max((row[column] for row in rows if row[column] is not None), default=None)


def part(used: float | None, asked: float | None) -> float | None:
    """Return which part of what was asked for was used."""
    return None if used is None or not asked else used / asked


def of_rule(rows: Sequence[Row]) -> Row:
    """Return what the jobs of one rule used and asked for; of several requests the largest.

    Args:
        rows: Those of timeline.csv, of one rule.
    """
    measured = [row for row in rows if row["seconds"] is not None]
    looked_at = [row for row in measured if row["cpu_seconds"] is not None]
    seconds, peak = largest(rows, "seconds"), largest(rows, "peak_rss_mib")
    asked, runtime = largest(rows, "mem_mb"), largest(rows, "runtime_min")
    megabytes = None if peak is None else peak * MB_PER_MIB
    minutes = None if seconds is None else seconds / 60
    rule, total = str(rows[0]["rule"]), sum(row["seconds"] for row in looked_at)
    return {
        **{"stage": rows[0]["stage"], "rule": rule, "jobs": len(rows), "measured": len(measured)},
        "seconds_median": median(row["seconds"] for row in measured) if measured else None,
        "seconds_max": seconds,
        "runtime_min": runtime,
        "runtime_used": part(minutes, runtime),
        "peak_rss_mib": peak,
        "mem_mb": asked,
        "mem_used": part(megabytes, asked),
        "threads": largest(rows, "threads"),
        "cores_used": sum(row["cpu_seconds"] for row in looked_at) / total if total else None,
        "gpus": largest(rows, "gpus"),
        "advice_memory": advice(rule, len(measured), MEMORY, asked, megabytes),
        "advice_time": advice(rule, len(measured), TIME, runtime, minutes),
    }
