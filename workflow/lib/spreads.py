"""How far another training would differ: the seeds of a method as a random effect, beside the problems.

The interval of ``workflow.lib.statistics`` is about other problems, with the adapters as they are. Here the
seeds are a sample as well: the variance of the mean over S seeds is that of the problems, by the cluster
bootstrap, plus s² / S, where s² is the variance of the seeds' own means; an interval of Student's t has the
degrees of freedom of Satterthwaite (1946). What seed and problem do together is in both parts, so the
interval is rather too wide where trainings hardly differ (Owen 2007, "The pigeonhole bootstrap", has the
same bound).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from workflow.lib.statistics import Estimate, Floats, rounded

COLUMNS = ("seeds", "seed_sd", "seeds_low", "seeds_high")


@dataclass(frozen=True)
class Spread:
    """The spread over seeds of an estimate, and its interval for other problems and other trainings."""

    seeds: int
    sd: float | None  # of the seeds' means; ``None`` for one seed
    low: float | None
    high: float | None

    def columns(self) -> dict[str, float | str]:
        """Return the cells of ``COLUMNS``."""
        cells = (self.seeds, *(rounded(value) for value in (self.sd, self.low, self.high)))
        return dict(zip(COLUMNS, cells, strict=True))


def spread(values: Floats, seeds: Sequence[int], found: Estimate, confidence: float) -> Spread:
    """Return the spread over the seeds of the mean of ``values``.

    Args:
        values: Scores, or paired differences of scores, (N,).
        seeds: Training seed of each value, N numbers.
        found: Estimate of the mean with its standard error over groups of problems.
        confidence: Level of the interval, as 0.95.
    """
    owners = np.asarray(seeds)
    means = np.asarray([values[owners == seed].mean() for seed in np.unique(owners)])
    if len(means) < 2:
        return Spread(len(means), None, None, None)
    sd = float(means.std(ddof=1))
    if found.value is None or found.error is None:
        return Spread(len(means), sd, None, None)
    problems, trainings = found.error**2, sd**2 / len(means)
    freedom = (problems + trainings) ** 2 / (
        problems**2 / (found.groups - 1) + trainings**2 / (len(means) - 1)
    )
    half = float(t.ppf((1 + confidence) / 2, freedom)) * (problems + trainings) ** 0.5
    return Spread(len(means), sd, found.value - half, found.value + half)
