"""Gather time, memory, throughput and energy of every training run into one table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workflow.lib.errors import DataError, problem
from workflow.lib.files import read_json, write_csv
from workflow.lib.logs import capture

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [
    *("dataset", "model", "method", "seed", "seconds_total", "seconds_training", "tokens"),
    *("tokens_per_second", "samples_per_second", "peak_rss_mib", "peak_gpu_mib", "gpu_hours"),
    *("energy_kwh", "steps", "rows"),
]


def read_costs(path: str) -> dict[str, object]:
    """Return the columns of the table from one run's facts; what was not measured is ``None``."""
    run = read_json(path)
    missing = [column for column in COLUMNS if column not in run]
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
    return {column: run[column] for column in COLUMNS}


def main(*, runs: Sequence[str], costs: str) -> None:
    """Write the costs of the runs whose ``run.json`` are given."""
    write_csv(costs, [read_costs(path) for path in runs], COLUMNS)
    print(f"costs of {len(runs)} runs gathered")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(runs=snakemake.input.runs, costs=snakemake.output.costs)
