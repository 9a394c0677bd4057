"""Draw what every stage kept of the rows it was given, from results/analysis/funnel.csv."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from workflow.lib.figures import GRID, INK, LOOKS, Caption, Row, blank, make, width
from workflow.lib.logs import capture
from workflow.lib.wording import count, plural, shorten

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ROW_HEIGHT = 0.23  # inches
LONGEST = 34  # characters of a step's name
NOTHING = "No stage has counted its rows yet."
TITLE = "Rows in and out of every stage"
ALT = (
    "Bar chart: for each step of the data stages, how many rows went in and how many came out. "
    "The numbers and the reasons are in the table below the figure."
)


def draw(rows: list[Row]) -> Figure:
    """Return one bar per step, rows out over rows in; ``rows`` as in funnel.csv."""
    if not rows:
        return blank(NOTHING)
    figure = Figure(figsize=(width(), 0.7 + ROW_HEIGHT * len(rows)))
    axis = figure.subplots()
    for y, row in enumerate(rows):
        axis.barh(y, float(row["rows_in"]), height=0.72, color=GRID)
        axis.barh(y, float(row["rows_out"]), height=0.72, color=LOOKS["sft"].colour)
        largest = max(float(row["rows_in"]), float(row["rows_out"]))
        text = f"{count(row['rows_in'])} → {count(row['rows_out'])}"
        axis.annotate(
            text, (largest, y), (4, 0), textcoords="offset points", va="center", fontsize=7, color=INK
        )
    axis.set_yticks(range(len(rows)), labels(rows), fontsize=7.5)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.margins(x=0.14)
    axis.set_xlim(left=0)
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("rows")
    return figure


def labels(rows: list[Row]) -> list[str]:
    """Return the name of each step; stage and dataset are named where they begin."""
    names = []
    for before, row in zip([None, *rows], rows, strict=False):
        new = before is None or (before["dataset"], before["stage"]) != (row["dataset"], row["stage"])
        names.append(f"{row['dataset']} · {row['stage']}: {row['step']}" if new else row["step"])
    return [shorten(name, LONGEST) for name in names]


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    if not rows:
        return Caption(TITLE, ALT, NOTHING)
    meaning = (
        "Dark: rows that the step put out; light: rows it was given. These are counts of everything, so "
    )
    limits = f"there is no interval; n is at each bar. {plural(len(rows), 'step')}."
    return Caption(TITLE, ALT, meaning + limits)


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
