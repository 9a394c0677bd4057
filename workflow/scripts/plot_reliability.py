"""Draw how often answers of like confidence are right, from results/analysis/reliability.csv."""

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
    make,
    upright_mark,
)
from workflow.lib.logs import capture
from workflow.lib.wording import count

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

HEIGHT, ACROSS = 1.7, 4  # inches of a panel, panels to a row
NOTHING = "No task of this study scores options, so answers come without a confidence."
TITLE = "Confidence against accuracy"
ALT = (
    "Reliability diagrams, one panel per task and method: accuracy of the answers of like confidence over "
    "their mean confidence, with a diagonal where both are equal. The numbers are in the table below."
)


def draw(rows: list[Row]) -> Figure:
    """Return one panel per task and method, one mark per bin; ``rows`` as in reliability.csv."""
    shown = known(rows, "estimate")
    if not shown:
        return blank(NOTHING)
    figure, found = by_task_and_method(shown, ACROSS, HEIGHT)
    for axis, some in found:
        axis.plot([0, 100], [0, 100], color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        for row in some:
            upright_mark(axis, 100 * float(row["confidence"]), row, "estimate")
        axis.set(xlim=(0, 102), ylim=(0, 102), xlabel="confidence (%)")
    for axis, _ in found[::ACROSS]:
        axis.set_ylabel("accuracy (%)")
    return figure


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    shown = known(rows, "estimate")
    if not shown:
        return Caption(TITLE, ALT, NOTHING)
    fewest = count(str(min(int(row["n"]) for row in shown)))
    meaning = (
        "Below the diagonal a policy is surer than it is right. Each mark: the answers of one bin of ten, "
    )
    return Caption(
        TITLE, ALT, f"{meaning}n from {fewest} answers on. Lines: intervals ({interval_kind(shown)})."
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
