"""Draw every policy's accuracy per category as a heat map, from results/analysis/categories.csv."""

from typing import TYPE_CHECKING

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.lib.figures import (
    LONGEST_LABEL,
    Caption,
    Row,
    blank,
    facet_rows,
    facet_title,
    facets,
    headline,
    interval_kind,
    known,
    look,
    make,
    ordered,
    width,
)
from workflow.lib.logs import capture
from workflow.lib.wording import bracket, count, share, shorten

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ROW_HEIGHT = 0.36  # inches
COLOURS = colormaps["cividis"]
BRIGHT = 0.55  # share above which a cell is light and its text dark
ON_BRIGHT, ON_DEEP = "#000001", "#fffffe"  # not paper or ink: the dark page leaves the cells as they are
NOTHING = "No policy was scored in this study."
TITLE = "Accuracy by category of reasoning"
ALT = (
    "Heat map with one grid per task: categories in rows, methods in columns, accuracy in percent with its "
    "interval in each cell. The numbers are in the table below the figure."
)


def draw(rows: list[Row]) -> Figure:
    """Return one grid per task: categories down, methods across; ``rows`` as in categories.csv."""
    shown = by_category(rows)
    if not shown:
        return blank(NOTHING)
    places = facets(shown)
    depths = [len(categories(facet_rows(shown, place))) for place in places]
    figure = Figure(figsize=(width(), sum(0.55 + ROW_HEIGHT * depth for depth in depths)))
    grid = figure.subplots(len(places), 1, squeeze=False, height_ratios=depths)
    for (axis,), place in zip(grid, places, strict=True):
        draw_grid(axis, facet_rows(shown, place), ordered(r["method"] for r in shown))
        axis.set_title(facet_title(place, places))
    return figure


def by_category(rows: list[Row]) -> list[Row]:
    """Return the rows of the headline metric per category, without those per rule."""
    return [r for r in known(headline(rows), "estimate") if not r["category"].startswith("rule:")]


def categories(rows: list[Row]) -> list[str]:
    """Return the distinct categories of ``rows`` in order of appearance."""
    return list(dict.fromkeys(r["category"] for r in rows))


def draw_grid(axis: Axes, rows: list[Row], methods: list[str]) -> None:
    """Draw one cell per category and method: colour and number for the estimate, its interval below."""
    lines = categories(rows)
    sizes = {r["category"]: count(r["n"]) for r in rows if r["method"] == rows[0]["method"]}
    labels = [
        f"{shorten(line, LONGEST_LABEL)}  (n = {sizes[line]})" if line in sizes else line for line in lines
    ]
    axis.set_xlim(-0.5, len(methods) - 0.5)
    axis.set_ylim(len(lines) - 0.5, -0.5)
    axis.set_xticks(range(len(methods)), [look(m).label for m in methods])
    axis.set_yticks(range(len(lines)), labels)
    axis.grid(visible=False)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    for row in rows:
        x, y, estimate = methods.index(row["method"]), lines.index(row["category"]), float(row["estimate"])
        axis.fill_between([x - 0.48, x + 0.48], y - 0.46, y + 0.46, color=COLOURS(estimate), linewidth=0)
        ink = ON_BRIGHT if estimate > BRIGHT else ON_DEEP
        axis.text(x, y - 0.16, share(row["estimate"]), ha="center", va="center", color=ink, fontsize=8)
        within = bracket(row["low"], row["high"])
        axis.text(x, y + 0.22, within, ha="center", va="center", color=ink, fontsize=6)


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    shown = by_category(rows)
    if not shown:
        return Caption(TITLE, ALT, NOTHING)
    meaning = (
        "Accuracy in percent over all seeds, brighter is higher; n: answers to problems of the category. "
    )
    caution = (
        f"In brackets: intervals ({interval_kind(shown)}), not corrected for the many cells: exploratory."
    )
    return Caption(TITLE, ALT, meaning + caution)


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
