"""Draw the accuracy on dev of every trial of every sweep, from results/analysis/sweeps.csv."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from workflow.lib.figures import (
    LONGEST_LABEL,
    MUTED,
    Caption,
    Row,
    blank,
    interval_kind,
    interval_mark,
    known,
    look,
    make,
    name_rows,
    panels,
)
from workflow.lib.logs import capture
from workflow.lib.wording import count, listed, plural, shorten, visible

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ROW_HEIGHT = 0.2  # inches
LONGEST_NAME = 2 * LONGEST_LABEL  # characters: several settings
NOTHING = "No settings were swept in this study."
TITLE = "Settings tried on dev"
ALT = (
    "Dot plot: accuracy on dev of every trial of each swept method, with its interval, the chosen trial "
    "filled. The numbers are in the table below the figure."
)


def sweeps_of(rows: list[Row]) -> list[list[Row]]:
    """Return the rows of each sweep, trials in order."""
    places = dict.fromkeys((r["dataset"], r["model"], r["method"]) for r in rows)
    return [[r for r in rows if (r["dataset"], r["model"], r["method"]) == place] for place in places]


def title_of(sweep: list[Row], among: list[list[Row]]) -> str:
    """Return method and task, with dataset and model only where the study has several."""
    first = sweep[0]
    several = len({(some[0]["dataset"], some[0]["model"]) for some in among}) > 1
    parts = [look(first["method"]).label, f"{first['task']} on dev"]
    parts += [first["dataset"], first["model"]] if several else []
    return " · ".join(visible(part) for part in parts)


def draw(rows: list[Row]) -> Figure:
    """Return one panel per sweep, one row per trial; ``rows`` as in sweeps.csv."""
    if not rows:
        return blank(NOTHING)
    sweeps = sweeps_of(rows)
    figure, axes = panels(len(sweeps), 1, 0.65 + ROW_HEIGHT * max(map(len, sweeps)), share_x=True)
    for axis, sweep in zip(axes, sweeps, strict=True):
        name_rows(axis, [shorten(row["settings"], LONGEST_NAME) for row in sweep])
        for y, row in enumerate(sweep):
            if row["failure"]:
                place = axis.get_yaxis_transform()
                axis.text(0.5, y, "failed", transform=place, ha="center", va="center", color=MUTED)
            else:
                interval_mark(axis, y, row, "estimate", hollow=row["chosen"] != "true")
        axis.set_title(title_of(sweep, sweeps))
    axes[-1].set_xlabel("right answers on dev (%)")
    return figure


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    if not rows:
        return Caption(TITLE, ALT, NOTHING)
    kinds = interval_kind(known(rows, "estimate"))
    meaning = f"Filled: chosen. Lines: intervals ({kinds}); trials answer the same problems. "
    tried = "; ".join(sentence(sweep) for sweep in sweeps_of(rows))
    return Caption(TITLE, ALT, f"{meaning}{tried}. The choice is made on dev alone.")


def sentence(sweep: list[Row]) -> str:
    """Return how many trials a sweep had, how many of them failed, and on how many answers."""
    name, trials = look(sweep[0]["method"]).label, plural(int(sweep[0]["trials"]), "trial")
    failed = sum(bool(row["failure"]) for row in sweep)
    lost = f", {failed} failed" if failed else ""
    scored = known(sweep, "estimate")
    sizes = sorted({f"{count(row['n'])} answers in {count(row['groups'])} groups" for row in scored})
    return f"{name}: {trials} with seed {sweep[0]['seed']}{lost}, n = {listed(sizes)}"


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
