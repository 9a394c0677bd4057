"""Gather what guessing scores on every task's problems, from the cards of the data stage."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workflow.lib.files import read_json, write_csv
from workflow.lib.logs import capture
from workflow.lib.statistics import rounded

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

NUMBERS = ("n", "groups", "accuracy", "low", "high", "interval", "chance", "majority")
COLUMNS = ["task", "dataset", "baseline", *NUMBERS, "looks_at"]


def rows_of(task: str, card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per baseline of the dataset that a task asks."""
    return [
        {"task": task, "dataset": card["dataset"], "baseline": found["name"], "looks_at": found["looks_at"]}
        | {name: rounded(found[name]) if isinstance(found[name], float) else found[name] for name in NUMBERS}
        for found in card["baselines"]
    ]


def main(*, cards: Sequence[str], baselines: str, tasks: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the table of baselines of all tasks."""
    of = {card["dataset"]: card for card in map(read_json, cards)}
    rows = [row for task, about in tasks.items() for row in rows_of(task, of[about["dataset"]])]
    write_csv(baselines, rows, COLUMNS)
    print(f"{len(rows)} baselines of {len(tasks)} tasks")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        cards=snakemake.input.cards,
        baselines=snakemake.output.baselines,
        tasks=snakemake.params.tasks,
    )
