"""Draw what a method gains over the rows that it learned from, from results/analysis/scaling.csv."""

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
NOTHING = "No method of this study learned from a share of the rows (train.shares)."
TITLE = "What more rows bring"
ALT = (
    "Line plots with one panel per task: difference in accuracy from the base, with its interval, over rows "
    "that a trainer learned from. The numbers are in the table below the figure."
)


def curves(rows: list[Row]) -> list[Row]:
    """Return the rows of the trainers that learned from several shares, fewest rows first."""
    shares = {trainer: {r["share"] for r in rows if r["trainer"] == trainer} for trainer in trainers(rows)}
    several = [row for row in known(rows, "delta") if len(shares[row["trainer"]]) > 1]
    return sorted(several, key=lambda row: float(row["rows"]))


def trainers(rows: list[Row]) -> list[str]:
    """Return the distinct trainers in order of appearance."""
    return list(dict.fromkeys(row["trainer"] for row in rows))


def draw(rows: list[Row]) -> Figure:
    """Return one panel per task, one line per trainer; ``rows`` as in scaling.csv."""
    shown = curves(rows)
    if not shown:
        return blank(NOTHING)
    places = facets(shown)
    figure, axes = panels(len(places), ACROSS, HEIGHT)
    for index, (axis, place) in enumerate(zip(axes, places, strict=True)):
        draw_panel(axis, facet_rows(shown, place))
        axis.set_title(facet_title(place, places))
        axis.set_xlabel("rows learned from")
        if index % ACROSS == 0:
            axis.set_ylabel("difference (points)")
    return figure


def draw_panel(axis: Axes, rows: list[Row]) -> None:
    """Draw one line per trainer, named at its end, with the interval of each point."""
    axis.axhline(0, color=INK, linewidth=0.9, zorder=1)
    for trainer in trainers(rows):
        style, mine = look(trainer), [row for row in rows if row["trainer"] == trainer]
        points = [(float(row["rows"]), PERCENT * float(row["delta"])) for row in mine]
        axis.plot(*zip(*points, strict=True), color=style.colour, linewidth=1)
        for (x, _), row in zip(points, mine, strict=True):
            upright_mark(axis, x, row | {"method": trainer}, "delta")
        axis.annotate(style.label, points[-1], (4, 3), textcoords="offset points", color=style.colour)
    axis.set_xlim(left=0)
    axis.margins(x=0.15)


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    shown = curves(rows)
    if not shown:
        return Caption(TITLE, ALT, NOTHING)
    meaning = "The rows of a smaller share are among those of every larger one. "
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
