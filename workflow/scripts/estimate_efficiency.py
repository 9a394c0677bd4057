"""Divide what each method gains over the base by what its adapters cost, with all those that it builds on.

DPO from SFT costs SFT as well; PPO costs the reward model, too. The interval is that of the gain: costs are
means over the seeds and held fixed. What the teachers cost is the same for all methods and not in it.
The scaling table has the gain over the rows that a method itself learned from: where ``train.shares`` gives
some methods of a trainer a part of them, the curve of what more data bring.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from workflow.lib.families import family, scorers_of
from workflow.lib.files import read_csv, write_csv
from workflow.lib.logs import capture
from workflow.lib.statistics import rounded

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

Row = dict[str, str]

TASK = ("dataset", "model", "task", "method")
GAIN = ("delta", "low", "high")
COLUMNS = [*TASK, "builds_on", *GAIN, "interval", "n", "groups", "quantity", "cost"] + [
    f"{name}_per_unit" for name in GAIN
]
SCALING = [*TASK, "trainer", "share", "rows", *GAIN, "interval", "n", "groups"]
SECONDS_PER_HOUR = 3600
ROWS = "1,000 rows"
QUANTITIES = {  # unit → column of costs.csv, and how many of its units are one
    "hours": ("seconds_total", SECONDS_PER_HOUR),
    "GPU hours": ("gpu_hours", 1),
    "kWh": ("energy_kwh", 1),
    "USD": ("usd", 1),
    ROWS: ("rows", 1000),
}


def chain_of(method: str, methods: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a method and all those whose adapters it needs, each once."""
    settings = methods[method]
    needed = [name for name in (settings["start_from"], *scorers_of(settings)) if name in methods]
    return list(dict.fromkeys([method, *(one for name in needed for one in chain_of(name, methods))]))


def mean_costs(costs: Sequence[Row]) -> dict[tuple[str, str, str], dict[str, float]]:
    """Return the mean cost over the seeds of each dataset, model and method, in each unit that is known."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for key in dict.fromkeys((row["dataset"], row["model"], row["method"]) for row in costs):
        runs = [row for row in costs if (row["dataset"], row["model"], row["method"]) == key]
        found[key] = {
            unit: fmean(float(row[column]) for row in runs) / size
            for unit, (column, size) in QUANTITIES.items()
            if all(row[column] for row in runs)
        }
    return found


def rows_of(
    deltas: Sequence[Row], costs: Sequence[Row], methods: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield one row for each comparison with the base and each quantity that was measured and is not 0."""
    spent = mean_costs(costs)
    for row in (row for row in deltas if row["against"] == "base"):
        chain = chain_of(row["method"], methods)
        parts = [spent[row["dataset"], row["model"], name] for name in chain]
        for unit in QUANTITIES:
            cost = sum(part[unit] for part in parts) if all(unit in part for part in parts) else 0.0
            if cost > 0:
                about = {name: row[name] for name in (*TASK, *GAIN, "interval", "n", "groups")}
                gains = {f"{name}_per_unit": float(row[name]) / cost if row[name] else None for name in GAIN}
                yield (
                    about
                    | {"builds_on": " ".join(chain[1:]), "quantity": unit, "cost": rounded(cost)}
                    | {name: rounded(value) for name, value in gains.items()}
                )


def scaling_rows(
    deltas: Sequence[Row], costs: Sequence[Row], shares: Mapping[str, float]
) -> Iterator[dict[str, Any]]:
    """Yield one row for each comparison with the base: the gain over the rows that were learned from."""
    spent = mean_costs(costs)
    for row in (row for row in deltas if row["against"] == "base"):
        method = row["method"]
        rows = spent[row["dataset"], row["model"], method][ROWS] * QUANTITIES[ROWS][1]
        about = {name: row[name] for name in (*TASK, *GAIN, "interval", "n", "groups")}
        yield about | {"trainer": family(method), "share": shares[method], "rows": rounded(rows)}


def main(
    *,
    deltas: str,
    costs: str,
    efficiency: str,
    scaling: str,
    methods: Mapping[str, Mapping[str, Any]],
    shares: Mapping[str, float],
) -> None:
    """Write the tables of gains per unit of cost and over rows."""
    compared, spent = read_csv(deltas), read_csv(costs)
    rows = list(rows_of(compared, spent, methods))
    write_csv(efficiency, rows, COLUMNS)
    write_csv(scaling, list(scaling_rows(compared, spent, shares)), SCALING)
    print(f"{len(rows)} gains over a cost")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        deltas=snakemake.input.deltas,
        costs=snakemake.input.costs,
        efficiency=snakemake.output.efficiency,
        scaling=snakemake.output.scaling,
        methods=snakemake.params.methods,
        shares=snakemake.params.shares,
    )
