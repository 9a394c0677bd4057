"""Draw when the jobs of each rule ran, and how many at once, from results/analysis/timeline.csv."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.lib.figures import LOOKS, MUTED, Caption, Row, blank, known, make, name_rows, width
from workflow.lib.logs import capture
from workflow.lib.timelines import Lane, at_once, lanes, long_pauses, span, without
from workflow.lib.wording import duration, plural, shorten

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

LANE_HEIGHT = 0.24  # inches
FILLED = 0.8  # of a lane, where as many of its jobs run as ever do
LONGEST = 30  # characters of a lane's name
# Neighbouring stages differ also for those who see few colours; the lane's name says it in words.
COLOURS = [LOOKS[name].colour for name in ("sft", "ppo", "orpo", "kto", "reward", "dpo", "rloo", "simpo")]
UNITS = ((5400.0, 3600.0, "hours"), (90.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
NOTHING = "No job of this study has been measured."
TITLE = "When the jobs of each rule ran"
ALT = (
    "Gantt chart: one lane for each rule, in the order in which they began; a lane is the higher the more of "
    "its jobs ran at once. Number, time and memory of the jobs of each rule are in the table below it."
)


def draw(rows: list[Row]) -> Figure:
    """Return one lane for each rule; ``rows`` as in timeline.csv."""
    rows = known(rows, "begun")
    if not rows:
        return blank(NOTHING)
    begun, ended = span(rows)
    cut = long_pauses(begun, ended)
    found = lanes(rows, without(cut, begun), without(cut, ended))
    end = float(without(cut, ended).max())
    unit, word = next((unit, word) for least, unit, word in UNITS if end >= least)
    figure = Figure(figsize=(width(), 0.7 + LANE_HEIGHT * len(found)))
    axis = figure.subplots()
    stages = list(dict.fromkeys(lane.stage for lane in found))
    notes = [
        draw_lane(axis, y, lane, end, unit, COLOURS[stages.index(lane.stage) % len(COLOURS)])
        for y, lane in enumerate(found)
    ]
    for start in without(cut, np.asarray([start for start, _ in cut])):
        axis.axvline(start / unit, color=MUTED, linestyle=":")
    name_rows(axis, [shorten(lane.name, LONGEST) for lane in found])
    pauses = "; dotted: a pause is cut out" if cut else ""
    axis.set(xlim=(0, end / unit), xlabel=f"{word} since the first job began{pauses}")
    name_ends(axis, notes)
    return figure


def draw_lane(axis: Axes, y: int, lane: Lane, end: float, unit: float, colour: str) -> str:
    """Draw how many jobs of a lane ran at once; return how many there are and ran at most."""
    edges, running = at_once(lane, end)
    most = int(running.max())
    base = y + FILLED / 2  # downwards is more
    axis.stairs(base - FILLED * running / most, edges / unit, baseline=base, fill=True, color=colour)
    return plural(len(lane.begun), "job") + (f", {most} at once" if most > 1 else "")


def name_ends(axis: Axes, notes: list[str]) -> None:
    """Write a note at the right end of each lane."""
    right = axis.secondary_yaxis("right")
    right.set_yticks(range(len(notes)), notes)
    right.tick_params(axis="y", length=0, labelcolor=MUTED)
    right.spines["right"].set_visible(False)


def describe(rows: list[Row]) -> Caption:
    """Return title, alternative text and caption of the figure."""
    there = known(rows, "begun")
    if not there:
        return Caption(TITLE, ALT, NOTHING)
    begun, ended = span(there)
    paused = sum(end - start for start, end in long_pauses(begun, ended))
    took = duration(sum(float(row["seconds"]) for row in there))
    passed = duration(float(ended.max()) - paused) + (f" and pauses of {duration(paused)}" if paused else "")
    lost = len(rows) - len(there)
    meaning = (
        f"n = {plural(len(there), 'job')} of {took} together, in {passed} from the first to the last. A lane "
        "is full where as many of its jobs ran at once as ever did; colours tell stages apart. Rules that "
        "took less than a hundredth of the time of all jobs share the lane of their stage. All are shown, "
        "so there is no interval."
    )
    return Caption(
        TITLE, ALT, meaning + (f" {plural(lost, 'more job')} left no measurement." if lost else "")
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
