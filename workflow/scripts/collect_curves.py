"""Gather the training curves of every run into one table."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workflow.lib.errors import NumericalError, problem
from workflow.lib.files import write_csv
from workflow.lib.logs import capture
from workflow.lib.parquet import rows_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = ["dataset", "model", "method", "seed", "step", "quantity", "value"]


def read_curve(path: str) -> list[dict[str, Any]]:
    """Return the rows of one run's curves, by quantity and step; a value that is no number is refused."""
    rows = rows_of(path)
    for number, row in enumerate(rows, start=1):
        if row["value"] is None or not math.isfinite(row["value"]):
            raise NumericalError(
                problem(
                    f"{path} row {number}",
                    row["quantity"],
                    expected=f"a finite number at step {row['step']}",
                    found=row["value"],
                    fix="see the log of the training run; a quantity that is not defined has no row",
                )
            )
    return sorted(rows, key=lambda row: (row["quantity"], row["step"]))


def main(*, curves_of_runs: Sequence[str], curves: str) -> None:
    """Write the curves in the files ``curves_of_runs`` to the table ``curves``."""
    rows = [row for path in curves_of_runs for row in read_curve(path)]
    write_csv(curves, rows, COLUMNS)
    print(f"{len(rows)} points of {len(curves_of_runs)} runs gathered")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(curves_of_runs=snakemake.input.curves, curves=snakemake.output.curves)
