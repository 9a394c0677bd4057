"""Draw mean reward against divergence from the base, from results/analysis/frontier.csv."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.lib.figures import (
    INTERVAL_WIDTH,
    MUTED,
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
from workflow.lib.wording import visible

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

HEIGHT = 2.6  # inches
NOTHING = "No scorer has scored sampled answers in this study."
TITLE = "Gain in reward against divergence from the base"
ALT = (
    "Scatter plot with one panel per task and scorer: how much higher each policy's answers score than the "
    "base's, over the mean log-ratio to the base in nats, one mark per seed. The numbers are in the table."
)


def per_seed(rows: list[Row]) -> list[Row]:
    """Return the rows of single seeds that have moved away from the base by a known way."""
    return [row for row in known(known(rows, "kl"), "delta") if row["seed"] != "all"]


def draw(rows: list[Row]) -> Figure:
    """Return one panel per task and scorer, one mark per seed and method; ``rows`` as in frontier.csv."""
    shown = per_seed(rows)
    if not shown:
        return blank(NOTHING)
    wanted = [
        (place, scorer)
        for place in facets(shown)
        for scorer in dict.fromkeys(row["scorer"] for row in facet_rows(shown, place))
    ]
    figure, axes = panels(len(wanted), 2, HEIGHT)
    for axis, (place, scorer) in zip(axes, wanted, strict=True):
        draw_panel(axis, [row for row in facet_rows(shown, place) if row["scorer"] == scorer])
        axis.set_title(f"{facet_title(place, facets(shown))}, by {visible(scorer)}")
        axis.set(xlabel="divergence from the base (nats per answer)", ylabel="gain in mean reward")
    return figure


def draw_panel(axis: Axes, rows: list[Row]) -> None:
    """Draw each seed of each method with both its intervals, named once per method."""
    named: set[str] = set()
    for row in rows:
        style, x, y = look(row["method"]), float(row["kl"]), float(row["delta"])
        if row["kl_low"]:
            ends = [float(row["kl_low"]), float(row["kl_high"])]
            axis.plot(ends, [y, y], color=style.colour, linewidth=INTERVAL_WIDTH)
        label = None if row["method"] in named else style.label
        named.add(row["method"])
        upright_mark(axis, x, row, "delta", scale=1.0, label=label)
    axis.axhline(0, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    axis.set_xlim(left=0)
    axis.legend()


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    shown = per_seed(rows)
    if not shown:
        return Caption(TITLE, ALT, NOTHING)
    meaning = (
        "Up and to the left is better: more reward for less divergence. One mark per seed; a reward that was "
        "trained on can be gained without better answers. "
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
