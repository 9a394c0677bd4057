"""Draw the accuracy of the most confident answers, from results/analysis/selective.csv."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from workflow.lib.figures import (
    MUTED,
    Caption,
    Row,
    blank,
    by_task_and_method,
    interval_kind,
    known,
    look,
    make,
    sizes,
    upright_mark,
)
from workflow.lib.logs import capture

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

HEIGHT, ACROSS = 1.7, 4  # inches of a panel, panels to a row
NOTHING = "No task of this study scores options, so answers come without a confidence."
TITLE = "Accuracy when only the most confident answers are given"
ALT = (
    "Line plots, one panel per task and method: accuracy among the most confident share of the answers, from "
    "a tenth to all of them. The numbers are in the table below the figure."
)


def draw(rows: list[Row]) -> Figure:
    """Return one panel per task and method, one mark per coverage; ``rows`` as in selective.csv."""
    shown = known(rows, "estimate")
    if not shown:
        return blank(NOTHING)
    figure, found = by_task_and_method(shown, ACROSS, HEIGHT)
    for axis, some in found:
        places = [100 * float(row["coverage"]) for row in some]
        values = [100 * float(row["estimate"]) for row in some]
        axis.plot(places, values, color=look(some[0]["method"]).colour, linewidth=1)
        axis.axhline(values[-1], color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        for place, row in zip(places, some, strict=True):
            upright_mark(axis, place, row, "estimate")
        axis.set(xlim=(0, 105), xlabel="answered (%)")
    for axis, _ in found[::ACROSS]:
        axis.set_ylabel("accuracy (%)")
    return figure


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    whole = [row for row in known(rows, "estimate") if float(row["coverage"]) == 1.0]
    if not whole:
        return Caption(TITLE, ALT, NOTHING)
    meaning = (
        "Where confidence tells right from wrong, fewer answers are more often right. Dashed: all answers. "
    )
    return Caption(
        TITLE, ALT, f"{meaning}Lines: intervals ({interval_kind(whole)}). All answers: {sizes(whole)}."
    )


def main(**paths: str) -> None:
    """Make the figure; ``paths`` are those of ``workflow.lib.figures.make``."""
    make(draw, describe, **paths)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        table=snakemake.input.table,
        style=snakemake.input.style,
        svg=snakemake.output.svg,
        pdf=snakemake.output.pdf,
        png=snakemake.output.png,
        csv=snakemake.output.csv,
        caption=snakemake.output.caption,
    )
