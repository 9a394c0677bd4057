"""Gather the rows in and out of every stage, with the reasons, from the stages' cards."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workflow.lib.errors import DataError, problem
from workflow.lib.files import read_json, write_csv
from workflow.lib.logs import capture

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = ["dataset", "stage", "step", "rows_in", "rows_out", "reason"]
STEP = {"step": str, "rows_in": int, "rows_out": int, "reason": str}


def read_funnel(path: str) -> list[dict[str, object]]:
    """Return the steps of one card, in order; a choice that belongs to no stage takes none."""
    card = read_json(path)
    if "stage" not in card:
        return []
    for number, step in enumerate(card["funnel"], start=1):
        wrong = [field for field, kind in STEP.items() if type(step.get(field)) is not kind]
        if wrong:
            raise DataError(
                problem(
                    f"{path} step {number}",
                    wrong[0],
                    expected=STEP[wrong[0]].__name__,
                    found=step,
                    fix=f"mend the script that writes the card of stage {card['stage']}",
                )
            )
    label = {"dataset": card["dataset"], "stage": card["stage"]}
    return [label | {field: step[field] for field in STEP} for step in card["funnel"]]


def main(*, cards: Sequence[str], funnel: str) -> None:
    """Write the steps of all cards as one table."""
    rows = [row for path in cards for row in read_funnel(path)]
    write_csv(funnel, rows, COLUMNS)
    print(f"{len(rows)} steps of {len(cards)} cards gathered")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(cards=snakemake.input.cards, funnel=snakemake.output.funnel)
