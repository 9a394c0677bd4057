"""Draw time, memory and throughput of every training run, from results/analysis/costs.csv."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from workflow.lib.figures import Caption, Row, blank, look, make, name_rows, ordered, panels
from workflow.lib.logs import capture
from workflow.lib.wording import plural

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ROW_HEIGHT = 0.24  # inches
NOTHING = "No method was trained in this study."
TITLE = "What the training of each method cost"
ALT = (
    "Dot plots of wall time, peak memory and tokens per second of every training run, one row per method. "
    "The numbers are in the table below the figure."
)


def draw(rows: list[Row]) -> Figure:
    """Return one panel per quantity, one row per method, one mark per run; ``rows`` as in costs.csv."""
    if not rows:
        return blank(NOTHING)
    methods = ordered(r["method"] for r in rows)
    memory = "peak_gpu_mib" if any(float(r["peak_gpu_mib"] or 0) for r in rows) else "peak_rss_mib"
    device = "GPU" if memory == "peak_gpu_mib" else "resident"
    figure, axes = panels(3, 3, 0.7 + ROW_HEIGHT * len(methods))
    draw_panel(axes[0], rows, methods, "seconds_total")
    axes[0].set(title="Time", xlabel="seconds, whole run")
    draw_panel(axes[1], rows, methods, memory)
    axes[1].set(title="Peak memory", xlabel=f"MiB, {device}")
    draw_panel(axes[2], rows, methods, "tokens_per_second")
    axes[2].set(title="Throughput", xlabel="tokens per second")
    for axis in axes[1:]:
        axis.tick_params(labelleft=False)
    return figure


def draw_panel(axis: Axes, rows: list[Row], methods: list[str], quantity: str) -> None:
    """Draw one mark per run on an axis from zero; a run without the quantity has no mark."""
    name_rows(axis, [look(m).label for m in methods])
    for row in rows:
        if row[quantity]:
            y, style = methods.index(row["method"]), look(row["method"])
            axis.plot([0, float(row[quantity])], [y, y], color=style.colour, linewidth=1, alpha=0.35)
            axis.plot([float(row[quantity])], [y], style.marker, color=style.colour)
    axis.set_xlim(left=0)
    axis.xaxis.set_major_locator(MaxNLocator(4))


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    if not rows:
        return Caption(TITLE, ALT, NOTHING)
    meaning = (
        f"One mark per run (n = {plural(len(rows), 'run')}; all are shown, so no interval). Time is that of "
    )
    limits = "the method's own run: one that starts from SFT or uses the reward model needs their time too."
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
