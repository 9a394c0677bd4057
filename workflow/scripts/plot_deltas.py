"""Draw the paired differences between methods as a forest plot, from results/analysis/deltas.csv."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.lib.figures import (
    INK,
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
from workflow.lib.verdicts import ALPHA, verdict

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ROW_HEIGHT = 0.2  # inches
NOTHING = "No two methods were compared in this study."
TITLE = "Paired differences between methods on the same problems"
ALT = (
    "Forest plot: for each task, how much more or less accurate each method is than base and than SFT, in "
    "percentage points, with its interval and a line at zero. The numbers are in the table below the figure."
)


def draw(rows: list[Row]) -> Figure:
    """Return one line of panels per task, one panel per rival; ``rows`` as in deltas.csv."""
    shown = known(headline(rows), "delta")
    if not shown:
        return blank(NOTHING)
    places = facets(shown)
    rivals = ordered(r["against"] for r in shown)
    methods = ordered(r["method"] for r in shown)
    height = 0.6 + ROW_HEIGHT * len(methods)
    figure, axes = panels(len(places) * len(rivals), len(rivals), height, share_x=True)
    for index, axis in enumerate(axes):
        place, rival = places[index // len(rivals)], rivals[index % len(rivals)]
        draw_panel(axis, [r for r in facet_rows(shown, place) if r["against"] == rival], methods)
        axis.tick_params(labelleft=index % len(rivals) == 0)
        axis.set_title(f"{facet_title(place, places)}, against {look(rival).label}")
    for axis in axes[-len(rivals) :]:
        axis.set_xlabel("difference (percentage points)")
    return figure


def draw_panel(axis: Axes, rows: list[Row], methods: list[str]) -> None:
    """Draw each difference with its interval, hollow where no difference was detected."""
    name_rows(axis, [look(m).label for m in methods])
    axis.axvline(0, color=INK, linewidth=0.9, zorder=1)
    for row in rows:
        unclear = verdict(row) == "unclear"
        interval_mark(axis, methods.index(row["method"]), row, "delta", hollow=unclear)


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    shown = headline(rows)
    if not shown:
        return Caption(TITLE, ALT, NOTHING)
    meaning = "Accuracy of the method minus accuracy of the one it is compared with, on the same problems. "
    lines = f"Lines: intervals ({interval_kind(shown)}). Hollow: no difference detected, because the "
    rule = f"interval holds zero or the Holm-corrected p-value is {ALPHA} or more. {sizes(shown)}."
    return Caption(TITLE, ALT, meaning + lines + rule)


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
