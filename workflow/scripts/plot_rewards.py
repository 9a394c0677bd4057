"""Draw how often the reward model ranks the better answer higher, from results/analysis/rewards.csv."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from workflow.lib.figures import (
    MUTED,
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
    panels,
    sizes,
)
from workflow.lib.logs import capture

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ROW_HEIGHT = 0.2  # inches
CHANCE = 50.0  # percent of pairs that a coin ranks right
NOTHING = "No reward model was trained in this study."
TITLE = "Held-out pairs that the reward model ranks right"
ALT = (
    "Dot plot: share of held-out pairs whose right answer the reward model scores above the wrong one, "
    "per seed, with its interval and a line at chance. The numbers are in the table below the figure."
)


def draw(rows: list[Row]) -> Figure:
    """Return one panel per task, one row per seed; ``rows`` as in rewards.csv."""
    shown = known(rows, "estimate")
    if not shown:
        return blank(NOTHING)
    places = facets(shown)
    tallest = max(len(facet_rows(shown, place)) for place in places)
    figure, axes = panels(len(places), 1, 0.65 + ROW_HEIGHT * tallest, share_x=True)
    for axis, place in zip(axes, places, strict=True):
        here = facet_rows(shown, place)
        name_rows(axis, row_names(here))
        for y, row in enumerate(here):
            interval_mark(axis, y, row, "estimate")
        axis.axvline(CHANCE, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        axis.set_title(facet_title(place, places))
    axes[-1].set_xlabel("pairs ranked right (%)")
    return figure


def row_names(rows: list[Row]) -> list[str]:
    """Return the seed of each row, behind the reward model's name where there are several."""
    seeds = ["all seeds" if row["seed"] == "all" else f"seed {row['seed']}" for row in rows]
    several = len({row["method"] for row in rows}) > 1
    return [f"{look(r['method']).label}, {s}" if several else s for r, s in zip(rows, seeds, strict=True)]


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    if not rows:
        return Caption(TITLE, ALT, NOTHING)
    meaning = "Share of held-out pairs in which the right answer scores higher than the wrong one. "
    whole = [r for r in rows if r["seed"] == "all"] or rows
    lines = f"Lines: intervals ({interval_kind(rows)}). Dashed line: chance. {sizes(whole, 'pairs')}."
    return Caption(TITLE, ALT, meaning + lines)


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
