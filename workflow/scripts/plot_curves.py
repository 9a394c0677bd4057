"""Draw the training curves of every method and seed, from results/analysis/curves.csv."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workflow.lib.figures import Caption, Row, blank, look, make, ordered, width
from workflow.lib.logs import capture
from workflow.lib.wording import listed, shorten, visible

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ROW_HEIGHT = 1.15  # inches
ACROSS = 4  # quantities drawn of each method; the table has all
KINDS = ("score", "accuracies", "margin", "reward", "kl", "accurac", "entropy", "loss")  # to prefer
STROKES = ("solid", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))  # one per seed, in turn
NOTHING = "No method was trained in this study."
TITLE = "Training curves of every method"
ALT = (
    "Line charts, one row of panels per method: loss and other logged quantities over the steps, one line "
    "per seed. The last value of every quantity is in the table below the figure."
)
Run = tuple[str, str]  # dataset and model


def draw(rows: list[Row]) -> Figure:
    """Return one line of panels per run and method, one panel per quantity; ``rows`` as in curves.csv."""
    lines = [(run, method) for run in runs(rows) for method in ordered(r["method"] for r in rows)]
    if not lines:
        return blank(NOTHING)
    figure = Figure(figsize=(width(), 0.3 + ROW_HEIGHT * len(lines)))
    grid = figure.subplots(len(lines), ACROSS, squeeze=False)
    for axes, (run, method) in zip(grid, lines, strict=True):
        here = [r for r in rows if (r["dataset"], r["model"]) == run and r["method"] == method]
        for axis, quantity in zip(axes, quantities(here), strict=False):
            draw_panel(axis, [r for r in here if r["quantity"] == quantity])
            axis.set_title(shorten(quantity, 20), fontweight="normal", fontsize=8, pad=3)
        for axis in axes[len(quantities(here)) :]:
            axis.remove()
        name = [look(method).label] + ([f"{run[0]} · {run[1]}"] if len(runs(rows)) > 1 else [])
        axes[0].set_ylabel("\n".join(map(visible, name)), fontweight="bold", color=look(method).colour)
    for axis in grid[-1][: len(quantities(here))]:
        axis.set_xlabel("step")
    return figure


def runs(rows: list[Row]) -> list[Run]:
    """Return the distinct pairs of dataset and model in order of appearance."""
    return list(dict.fromkeys((r["dataset"], r["model"]) for r in rows))


def quantities(rows: list[Row]) -> list[str]:
    """Return up to ``ACROSS`` quantities: the loss, the first of each preferred kind, then the others."""
    names = list(dict.fromkeys(r["quantity"] for r in rows))

    def kind(name: str) -> int:
        kinds = (place for place, part in enumerate(KINDS) if part in name.lower())
        return -1 if name == "loss" else min(kinds, default=len(KINDS))

    def rank(name: str) -> tuple[int, int]:
        alike = [other for other in names if kind(other) == kind(name)]
        return alike.index(name), kind(name)

    return sorted(names, key=rank)[:ACROSS]


def draw_panel(axis: Axes, rows: list[Row]) -> None:
    """Draw one line per seed over the optimizer steps."""
    for index, seed in enumerate(dict.fromkeys(r["seed"] for r in rows)):
        points = [(int(r["step"]), float(r["value"])) for r in rows if r["seed"] == seed]
        stroke = STROKES[index % len(STROKES)]
        axis.plot(
            *zip(*points, strict=True), color=look(rows[0]["method"]).colour, linestyle=stroke, linewidth=1
        )
    axis.xaxis.set_major_locator(MaxNLocator(3, integer=True))
    axis.yaxis.set_major_locator(MaxNLocator(3))
    axis.tick_params(labelsize=7)


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    if not rows:
        return Caption(TITLE, ALT, NOTHING)
    seeds = listed(sorted({visible(r["seed"]) for r in rows}))
    meaning = (
        f"Logged quantities over the steps, one line per seed ({seeds}; solid first, then dashed): single "
    )
    limits = (
        f"runs, n = 1 per line, so no interval. Up to {ACROSS} quantities per method; the CSV has them all."
    )
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
