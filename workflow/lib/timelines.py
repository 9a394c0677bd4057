"""When jobs ran, as lanes of a chart: pauses cut out, small rules together, and how many ran at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from workflow.lib.figures import Row

POINTS = 600  # of time along the axis, however many jobs there are
SMALL = 0.01  # of the time of all jobs: rules below it share the lane of their stage
IDLE = 0.02  # of the time in which any job ran: a longer pause is cut out
Times = NDArray[np.float64]
Pauses = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Lane:
    """The jobs of one rule, or of all small rules of one stage."""

    stage: str
    name: str
    begun: Times  # seconds on the axis, (N,)
    ended: Times  # the same


def span(rows: Sequence[Row]) -> tuple[Times, Times]:
    """Return when the jobs of N ``rows`` began and ended, in seconds since the first began, (N,) each."""
    begun = np.asarray([datetime.fromisoformat(row["begun"]).timestamp() for row in rows])
    begun -= begun.min()
    return begun, begun + np.asarray([float(row["seconds"]) for row in rows])


def long_pauses(begun: Times, ended: Times) -> list[tuple[float, float]]:
    """Return begin and end of every time in which no job ran for so long that it is cut out."""
    order = np.argsort(begun, kind="stable")
    before, after = np.maximum.accumulate(ended[order])[:-1], begun[order][1:]
    idle = np.maximum(after - before, 0.0)
    shortest = IDLE * (ended.max() - idle.sum())
    return [(float(a), float(b)) for a, b in zip(before, after, strict=True) if b - a > shortest]


def without(pauses: Pauses, times: Times) -> Times:
    """Return ``times`` on an axis that has no ``pauses``, (N,)."""
    axis = times.copy()
    for start, end in pauses:
        axis -= np.clip(times - start, 0.0, end - start)
    return axis


def lanes(rows: Sequence[Row], begun: Times, ended: Times) -> list[Lane]:
    """Return the lanes of N jobs, in the order in which they began.

    Args:
        rows: Those of timeline.csv that were measured.
        begun: Seconds on the axis, (N,).
        ended: The same.
    """
    lasted = dict.fromkeys((row["rule"] for row in rows), 0.0)
    for row in rows:
        lasted[row["rule"]] += float(row["seconds"])
    small = {rule for rule, seconds in lasted.items() if seconds < SMALL * sum(lasted.values())}
    places: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault((row["stage"], "" if row["rule"] in small else row["rule"]), []).append(place)
    found = []
    for (stage, _), which in places.items():
        shared = sorted({rows[place]["rule"] for place in which})
        name = shared[0] if len(shared) == 1 else f"{stage}: {len(shared)} short rules"
        found.append(Lane(stage, name, begun[which], ended[which]))
    return sorted(found, key=lambda lane: (lane.begun.min(), lane.name))


def at_once(lane: Lane, end: float) -> tuple[Times, NDArray[np.int64]]:
    """Return how many jobs of a lane ran at once, as steps: K + 1 edges on an axis up to ``end``, K numbers.

    The axis has ``POINTS`` places; in each stands the most that ran at once there, so that the shortest job
    is seen, and jobs that follow each other are not taken for two at once.
    """
    times = np.concatenate([lane.begun, lane.ended])
    change = np.repeat([1, -1], len(lane.begun))
    order = np.lexsort((change, np.round(times, 2)))  # the clock of a benchmark file; ends first
    times, running = times[order], np.cumsum(change[order])
    starts = np.arange(POINTS) * end / POINTS
    before = np.concatenate([[0], running])[np.searchsorted(times, starts)]
    place = np.minimum(np.floor(times / end * POINTS).astype(int), POINTS - 1)
    np.maximum.at(before, place, running)
    firsts = np.flatnonzero(np.diff(before, prepend=-1))
    return np.append(starts[firsts], end), before[firsts]
