"""Draw how long right and wrong answers are, from results/analysis/lengths.csv."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.lib.figures import (
    Caption,
    Row,
    blank,
    facet_rows,
    facet_title,
    facets,
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

ROW_HEIGHT = 0.26  # inches
ACROSS = 2  # panels to a row
PLACES = {"right": -0.16, "wrong": 0.16}  # where a mark stands beside its row's middle
NOTHING = "No task of this study is answered in words."
TITLE = "Length of right and of wrong answers"
ALT = (
    "Dot plot with one panel per task and one row per method: mean tokens of the right and of the wrong "
    "answers with their intervals. The numbers are in the table below the figure."
)


def draw(rows: list[Row]) -> Figure:
    """Return one panel per task, one row per method; ``rows`` as in lengths.csv."""
    shown = known(rows, "tokens")
    if not shown:
        return blank(NOTHING)
    places = facets(shown)
    methods = ordered(r["method"] for r in shown)
    figure, axes = panels(len(places), ACROSS, 0.6 + ROW_HEIGHT * len(methods))
    for index, (axis, place) in enumerate(zip(axes, places, strict=True)):
        draw_panel(axis, facet_rows(shown, place), methods)
        axis.tick_params(labelleft=index % ACROSS == 0)
        axis.set_title(facet_title(place, places))
        axis.set_xlabel("tokens per answer")
    return figure


def draw_panel(axis: Axes, rows: list[Row], methods: list[str]) -> None:
    """Draw the mean length of right answers filled, of wrong ones hollow below."""
    name_rows(axis, [look(m).label for m in methods])
    for row in (row for row in rows if row["answers"] in PLACES):
        y = methods.index(row["method"]) + PLACES[row["answers"]]
        interval_mark(axis, y, row, "tokens", hollow=row["answers"] == "wrong", scale=1.0)


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    shown = [row for row in known(rows, "tokens") if row["answers"] in PLACES]
    if not shown:
        return Caption(TITLE, ALT, NOTHING)
    whole = [row for row in rows if row["answers"] == "all"]
    meaning = "Mean tokens of an answer: right filled, wrong hollow. "
    return Caption(
        TITLE, ALT, f"{meaning}Lines: intervals ({interval_kind(shown)}). All answers: {sizes(whole)}."
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
