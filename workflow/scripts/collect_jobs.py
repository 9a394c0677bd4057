"""Gather when each job ran, what it used of what it had asked for, and what its rule should ask for.

What was used is in the benchmark files of Snakemake, which every job writes where it runs; they and the logs
tell when it ended. What was asked for is in the journal of the calls (``workflow.lib.reasons``). A job
without a benchmark file is in the table without its times. The drawing of figures and what comes after
it are not: they run when these tables are there. No benchmark file is an input: one that is missing costs a
line in a table, not a training.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.benchmarks import Measured, end_of, read_benchmark
from workflow.lib.files import write_csv
from workflow.lib.logs import capture
from workflow.lib.reasons import latest
from workflow.lib.requests import of_rule

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

DIGITS = 6  # after the decimal point
AFTERWARDS = "report"  # the stage that reads these tables
TIMELINE = [
    *("stage", "rule", "output", "begun", "seconds", "cpu_seconds", "peak_rss_mib"),
    *("threads", "gpus", "mem_mb", "runtime_min"),
]
RESOURCES = [
    *("stage", "rule", "jobs", "measured", "seconds_median", "seconds_max", "runtime_min", "runtime_used"),
    *("peak_rss_mib", "mem_mb", "mem_used", "threads", "cores_used", "gpus"),
    *("advice_memory", "advice_time"),
]
Row = dict[str, Any]


def row_of(entry: Mapping[str, Any]) -> Row:
    """Return the row of one job of the journal; what was not measured is ``None``."""
    found, asked = read_benchmark(Path(entry["benchmark"])), entry["asked"]
    begun = found and begun_at(found, entry)
    return {
        **{name: entry[name] for name in ("stage", "rule", "output")},
        "begun": begun,
        "seconds": found and found.seconds,
        "cpu_seconds": found and found.cpu_seconds,
        "peak_rss_mib": found and found.peak_rss_mib,
        **{"threads": asked["threads"], "gpus": asked["gpu"], "mem_mb": asked["mem_mb"]},
        "runtime_min": asked["runtime"],
    }


def begun_at(found: Measured, entry: Mapping[str, Any]) -> str:
    """Return when a measured job began, as ISO 8601."""
    called = datetime.fromisoformat(entry["begun"]).timestamp()
    begun = end_of(found, Path(entry["log"]), called) - found.seconds
    return datetime.fromtimestamp(begun, UTC).isoformat(timespec="milliseconds")


def by_rule(rows: list[Row]) -> Iterator[Row]:
    """Yield the row of each rule, in the order in which their first jobs began."""
    for rule in dict.fromkeys(row["rule"] for row in rows):
        found = of_rule([row for row in rows if row["rule"] == rule])
        yield {name: round(v, DIGITS) if isinstance(v, float) else v for name, v in found.items()}


def main(*, timeline: str, resources: str) -> None:
    """Write the table of all jobs to ``timeline`` and that of their rules to ``resources``."""
    entries = latest()
    told = [entry for entry in entries if "asked" in entry]  # since it is noted
    before = [entry for entry in told if entry["stage"] != AFTERWARDS and entry["output"] != timeline]
    rows = sorted(map(row_of, before), key=lambda row: (row["begun"] or "~", row["rule"], row["output"]))
    write_csv(timeline, rows, TIMELINE)
    write_csv(resources, list(by_rule(rows)), RESOURCES)
    measured = sum(row["seconds"] is not None for row in rows)
    print(
        f"{measured} of {len(rows)} jobs measured; {len(entries) - len(told)} of calls that noted no requests"
    )


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(timeline=snakemake.output.timeline, resources=snakemake.output.resources)
