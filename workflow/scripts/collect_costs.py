"""Gather what every training run cost, in time, memory, energy, dollars and of its budget, into one table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workflow.lib.errors import DataError, problem
from workflow.lib.files import read_json, write_csv
from workflow.lib.logs import capture

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [
    *("dataset", "model", "method", "seed", "seconds_total", "seconds_training", "tokens"),
    *("tokens_per_second", "samples_per_second", "peak_rss_mib", "peak_gpu_mib", "gpu_hours"),
    *("energy_kwh", "mfu", "steps", "rows"),
]
SPENT = ("unit", "amount", "used")  # of a budget
ALL = [*COLUMNS, "usd", *(f"budget_{name}" for name in SPENT)]


def read_costs(path: str, usd_per_gpu_hour: float | None) -> dict[str, object]:
    """Return the columns of the table from one run's facts; what was not measured is ``None``.

    Args:
        path: Of ``run.json``.
        usd_per_gpu_hour: Price of one GPU; the price is no fact of the run, which outlives it.
    """
    run = read_json(path)
    missing = [column for column in (*COLUMNS, "budget") if column not in run]
    if missing:
        raise DataError(
            problem(
                path,
                missing[0],
                expected="a value, or null when it was not measured",
                found="no such key",
                fix="train this method again",
            )
        )
    usd = None if usd_per_gpu_hour is None else run["gpu_hours"] * usd_per_gpu_hour
    budget: dict[str, Any] = run["budget"] or dict.fromkeys(SPENT)
    spent = {f"budget_{name}": budget[name] for name in SPENT}
    return {**{column: run[column] for column in COLUMNS}, "usd": usd, **spent}


def main(*, runs: Sequence[str], costs: str, usd_per_gpu_hour: float | None) -> None:
    """Write the costs of the runs whose ``run.json`` are given, one GPU at ``usd_per_gpu_hour``."""
    write_csv(costs, [read_costs(path, usd_per_gpu_hour) for path in runs], ALL)
    print(f"costs of {len(runs)} runs gathered")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        runs=snakemake.input.runs,
        costs=snakemake.output.costs,
        usd_per_gpu_hour=snakemake.params.usd_per_gpu_hour,
    )
