"""Draw every policy's score on every task with its interval, from results/analysis/accuracy.csv."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.lib.figures import (
    MUTED,
    Caption,
    Row,
    blank,
    facet_rows,
    facet_title,
    facets,
    headline,
    interval_kind,
    interval_mark,
    known,
    look,
    make,
    name_rows,
    ordered,
    panels,
    sizes,
)
from workflow.lib.logs import capture

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ROW_HEIGHT = 0.2  # inches
ACROSS = 2  # panels to a row
NOTHING = "No policy was scored in this study."
TITLE = "Accuracy of every method on every held-out task"
ALT = (
    "Dot plot with one panel per task and one row per method: accuracy in percent with its interval. "
    "The numbers are in the table below the figure."
)


def draw(rows: list[Row]) -> Figure:
    """Return one panel per task, one row per method; ``rows`` as in accuracy.csv."""
    shown = known(headline(rows), "estimate")
    if not shown:
        return blank(NOTHING)
    places = facets(shown)
    methods = ordered(r["method"] for r in shown)
    figure, axes = panels(len(places), ACROSS, 0.6 + ROW_HEIGHT * len(methods), share_x=True)
    for index, (axis, place) in enumerate(zip(axes, places, strict=True)):
        draw_panel(axis, facet_rows(shown, place), methods)
        axis.tick_params(labelleft=index % ACROSS == 0)
        axis.set_title(facet_title(place, places))
    for axis in axes[-ACROSS:]:
        axis.set_xlabel("accuracy (%)")
    return figure


def draw_panel(axis: Axes, rows: list[Row], methods: list[str]) -> None:
    """Draw the estimate over all seeds with its interval, and each seed's estimate as a small dot."""
    name_rows(axis, [look(m).label for m in methods])
    for row in rows:
        y = methods.index(row["method"])
        if row["seed"] == "all":
            interval_mark(axis, y, row, "estimate")
        else:
            axis.plot([100 * float(row["estimate"])], [y + 0.3], ".", color=MUTED, markersize=3)
    for row in rows:
        if row["method"] == "base" and row["seed"] == "all":
            axis.axvline(
                100 * float(row["estimate"]), color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0
            )


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    whole = [r for r in headline(rows) if r["seed"] == "all"]
    if not whole:
        return Caption(TITLE, ALT, NOTHING)
    shown = "Share of held-out answers that are right, over all seeds. Small dots: single seeds. "
    lines = f"Lines: intervals ({interval_kind(whole)}). Dashed line: the base model. {sizes(whole)}."
    return Caption(TITLE, ALT, shown + lines)


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
