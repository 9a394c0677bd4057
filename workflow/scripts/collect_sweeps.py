"""Gather every trial of every sweep on dev, and what was chosen, into one table."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.files import read_json, write_csv
from workflow.lib.logs import capture
from workflow.lib.statistics import rounded
from workflow.lib.trials import in_words

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [
    *("dataset", "model", "method", "task", "seed", "trials", "trial", "settings", "n", "groups"),
    *("estimate", "low", "high", "interval", "difference", "difference_low", "difference_high"),
    *("tied", "chosen", "failure", "seconds_total", "gpu_hours"),
]
SWEEP = ("dataset", "model", "method", "task", "seed", "trials")
COST = ("seconds_total", "gpu_hours")

Row = dict[str, Any]


def rows_of_choice(choice: Row) -> Iterator[Row]:
    """Yield one row per trial of one sweep, in the order of the trials."""
    for entry in choice["table"]:
        estimates = {"estimate": "accuracy", "low": "accuracy_low", "high": "accuracy_high"}
        gaps = ("difference", "difference_low", "difference_high")
        yield (
            {field: choice[field] for field in SWEEP}
            | {field: entry[field] for field in ("trial", "n", "groups", "interval")}
            | {column: rounded(entry[field]) for column, field in estimates.items()}
            | {field: rounded(entry[field]) for field in gaps}
            | {
                "settings": in_words(entry["settings"]),
                "tied": str(entry["tied"]).lower(),
                "chosen": str(entry["trial"] == choice["trial"]).lower(),
                "failure": entry["failure"],
            }
        )


def cost_of(trial: str) -> Row:
    """Return what the training of a trial cost; nothing where it failed, since it never said."""
    path = Path(trial) / "run.json"
    run = read_json(path) if read_json(Path(trial) / "trial.json")["failure"] is None else {}
    return {field: run[field] for field in COST if run}


def main(*, choices: Sequence[str], trials: Sequence[str], sweeps: str) -> None:
    """Write the trials in the files ``choices``; ``trials`` are their folders in the same order."""
    rows = [row for path in choices for row in rows_of_choice(read_json(path))]
    table = [row | cost_of(trial) for row, trial in zip(rows, trials, strict=True)]
    write_csv(sweeps, table, COLUMNS)
    print(f"{len(table)} trials of {len(choices)} sweeps gathered")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        choices=snakemake.input.choices,
        trials=snakemake.input.trials,
        sweeps=snakemake.output.sweeps,
    )
