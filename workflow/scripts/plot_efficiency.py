"""Draw what each method gains over what it costs, from results/analysis/efficiency.csv."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.lib.figures import (
    INK,
    PERCENT,
    Caption,
    Row,
    blank,
    facet_rows,
    facet_title,
    facets,
    interval_kind,
    known,
    look,
    make,
    panels,
    sizes,
    upright_mark,
)
from workflow.lib.logs import capture

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

HEIGHT, ACROSS = 2.3, 2  # inches of a panel, panels to a row
UNITS = ("GPU hours", "hours")  # the first that was measured is drawn
NOTHING = "No trained method was scored in this study."
TITLE = "Gain over the base against the cost of training"
ALT = (
    "Scatter plot with one panel per task: difference in accuracy from the base, with its interval, over the "
    "hours that the training of a method and of all that it builds on took. The numbers are in the table."
)


def drawn_rows(rows: list[Row]) -> list[Row]:
    """Return the rows of the first of ``UNITS`` that was measured."""
    parts = ([row for row in known(rows, "delta") if row["quantity"] == unit] for unit in UNITS)
    return next((part for part in parts if part), [])


def draw(rows: list[Row]) -> Figure:
    """Return one panel per task, one mark per method; ``rows`` as in efficiency.csv."""
    shown = drawn_rows(rows)
    if not shown:
        return blank(NOTHING)
    places = facets(shown)
    figure, axes = panels(len(places), ACROSS, HEIGHT)
    for index, (axis, place) in enumerate(zip(axes, places, strict=True)):
        draw_panel(axis, facet_rows(shown, place))
        axis.set_title(facet_title(place, places))
        axis.set_xlabel(f"{shown[0]['quantity']} per seed")
        if index % ACROSS == 0:
            axis.set_ylabel("difference (points)")
    return figure


def draw_panel(axis: Axes, rows: list[Row]) -> None:
    """Draw each method's gain with its interval over its cost, from no cost on."""
    axis.axhline(0, color=INK, linewidth=0.9, zorder=1)
    for row in rows:
        style, x = look(row["method"]), float(row["cost"])
        upright_mark(axis, x, row, "delta")
        axis.annotate(
            style.label,
            (x, PERCENT * float(row["delta"])),
            (4, 3),
            textcoords="offset points",
            color=style.colour,
        )
    axis.set_xlim(left=0)
    axis.margins(x=0.15)


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    shown = drawn_rows(rows)
    if not shown:
        return Caption(TITLE, ALT, NOTHING)
    meaning = (
        "Up and to the left is better. A method's cost is that of its training and of all adapters that it "
        "builds on, the mean over the seeds. "
    )
    return Caption(TITLE, ALT, f"{meaning}Lines: intervals ({interval_kind(shown)}). {sizes(shown)}.")


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
