"""Estimates and paired comparisons of scores whose problems come in groups.

Problems about one context or one goal are not independent, and neither are the answers of several
seeds and repeats to one problem; groups are. So the group is the unit of every method here: the
bootstrap draws whole groups with replacement (a cluster bootstrap; Cameron, Gelbach & Miller 2008,
section 3), and the sign of a comparison is counted once per group.

An interval tells what other problems of the same kind would give, with the trained adapters as they
are; how far two trainings differ is seen in the estimates of the single seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm
from statsmodels.stats.multitest import multipletests

Floats = npt.NDArray[np.float64]
Part = tuple[Floats, Floats]  # sum of the values and number of values of each group, (G,) and (G,)

SCORES = (0.0, 1.0)  # least and greatest score
DIFFERENCES = (-1.0, 1.0)  # least and greatest difference of two scores
NOISE = 1e-9  # sums of scores nearer to each other than this are equal
BLOCK = 1 << 18  # groups drawn at once, to bound the memory
DIGITS = 6  # decimals of an estimate in a table


@dataclass(frozen=True)
class Settings:
    """The section ``analysis`` of the config."""

    resamples: int  # bootstrap resamples
    confidence: float  # of every interval, as 0.95
    seed: int  # of the resampling and of the choice of examples
    examples: int  # problems shown with every method's answer

    def generator(self) -> np.random.Generator:
        """Return a fresh generator: no estimate depends on which others were made before it."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; ``None`` where there is none, and ``interval`` says why."""

    n: int  # values
    groups: int  # independent units among them
    value: float | None
    low: float | None
    high: float | None
    error: float | None  # standard error
    interval: str  # kind of interval, or the reason why there is none

    def columns(self, name: str) -> dict[str, float | None]:
        """Return the value and its interval as the columns ``name``, ``name_low`` and ``name_high``."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}

    def rounded_columns(self, name: str) -> dict[str, float | str]:
        """Return those columns as they stand in a table."""
        return {key: rounded(value) for key, value in self.columns(name).items()}

    def cells(self, name: str) -> dict[str, int | float | str]:
        """Return the cells of a table whose rows are estimates: sizes, ``name``, low, high and interval."""
        numbers = {name: self.value, "low": self.low, "high": self.high}
        return {
            "n": self.n,
            "groups": self.groups,
            **{key: rounded(value) for key, value in numbers.items()},
            "interval": self.interval,
        }

    def may_be_zero(self) -> bool:
        """Return whether the interval holds zero, or there is none."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


@dataclass(frozen=True)
class Signs:
    """How many groups went better and worse, and the probability of such a split by chance."""

    better: int
    worse: int
    p: float


def mean(values: Floats, groups: Sequence[str], settings: Settings) -> Estimate:
    """Return the mean of scores between 0 and 1.

    Args:
        values: Scores, (N,).
        groups: Group of each score, N names.
        settings: Number of resamples, their seed, and level of confidence.
    """
    if len(values) == 0:
        return Estimate(0, 0, None, None, None, None, "n/a (no answers)")
    return _estimate([_part(values, groups)], len(values), SCORES, settings)


def average(values: Floats, groups: Sequence[str], settings: Settings) -> Estimate:
    """Return the mean of numbers without bounds, as rewards or tokens.

    Args:
        values: The numbers, (N,).
        groups: Group of each, N names.
        settings: Number of resamples, their seed, and level of confidence.
    """
    if len(values) == 0:
        return Estimate(0, 0, None, None, None, None, "n/a (no answers)")
    return _estimate([_part(values, groups)], len(values), None, settings)


def balanced(
    values: Floats,
    labels: Sequence[str],
    groups: Sequence[str],
    settings: Settings,
) -> Estimate:
    """Return the mean over the labels of the mean score of each label: balanced accuracy.

    Args:
        values: Scores, (N,).
        labels: Gold label of each score, N names.
        groups: Group of each score, N names.
        settings: Number of resamples, their seed, and level of confidence.
    """
    kinds = sorted(set(labels))
    if len(kinds) < 2:
        return Estimate(len(values), len(set(groups)), None, None, None, None, "n/a (one gold answer)")
    masks = [np.asarray([label == kind for label in labels], dtype=np.float64) for kind in kinds]
    parts = [_part(values, groups, mask) for mask in masks]
    return _estimate(parts, len(values), SCORES, settings)


def difference(
    left: Floats,
    right: Floats,
    groups: Sequence[str],
    settings: Settings,
) -> Estimate:
    """Return the mean of the paired differences ``left - right`` of scores between 0 and 1.

    Args:
        left: Scores of one method, (N,).
        right: Scores of the other on the same problems in the same order, (N,).
        groups: Group of each pair, N names.
        settings: Number of resamples, their seed, and level of confidence.
    """
    return _estimate([_part(left - right, groups)], len(left), DIFFERENCES, settings)


def mcnemar(left: Floats, right: Floats, groups: Sequence[str]) -> Signs:
    """Test by exact signs, one per group, whether ``left`` and ``right`` score alike.

    A group counts as better when its answers score higher in sum on the left, as worse when they
    score higher on the right, and not at all otherwise. When the methods are exchangeable, each
    counted group is a fair coin, however strongly the answers within a group hang together. With one
    problem per group, one seed and one repeat this is McNemar's exact test (McNemar 1947); counting
    every answer as a pair instead would reject too often, because answers within a group agree.
    """
    sums, _ = _part(left - right, groups)
    better, worse = int((sums > NOISE).sum()), int((sums < -NOISE).sum())
    p = binomtest(better, better + worse, 0.5).pvalue if better + worse else 1.0
    return Signs(better, worse, float(p))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values adjusted for the size of their family by Holm's step-down method (1979)."""
    return [float(p) for p in multipletests(p_values, method="holm")[1]] if p_values else []


def detectable(error: float | None, *, confidence: float, power: float) -> float | None:
    """Return the least true difference that a study with this standard error finds with ``power``.

    By the normal approximation, (z[1 - alpha / 2] + z[power]) * error with alpha = 1 - confidence,
    for one comparison alone.
    """
    if error is None:
        return None
    return float((norm.ppf((1 + confidence) / 2) + norm.ppf(power)) * error)


def rounded(value: float | None) -> float | str:
    """Return ``value`` as it stands in a table: six decimals, no minus zero, empty for none."""
    return "" if value is None else round(value, DIGITS) + 0.0


def draw_groups(groups: int, resamples: int, seed: int) -> Floats:
    """Return how often each group is drawn in each resample, (resamples, groups)."""
    return _drawn(groups, resamples, seed).astype(np.float64)


@lru_cache(maxsize=16)  # every estimate on as many groups has the same resamples
def _drawn(groups: int, resamples: int, seed: int) -> npt.NDArray[np.uint16]:
    generator = np.random.default_rng(seed)
    drawn = np.empty((resamples, groups), dtype=np.uint16)
    for block in np.array_split(drawn, -(-drawn.size // BLOCK)):
        cells = generator.integers(groups, size=block.shape) + groups * np.arange(len(block))[:, None]
        block[:] = np.bincount(cells.ravel(), minlength=block.size).reshape(block.shape)
    return drawn


def _part(values: Floats, groups: Sequence[str], mask: Floats | None = None) -> Part:
    """Return sum and number of the values of each group, counting only where ``mask`` is one."""
    _, index = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    weights = np.ones(len(values)) if mask is None else mask
    sums = np.bincount(index, weights=values * weights).astype(np.float64)
    return sums, np.bincount(index, weights=weights).astype(np.float64)


def _estimate(
    parts: Sequence[Part],
    n: int,
    bounds: tuple[float, float] | None,
    settings: Settings,
) -> Estimate:
    """Return the mean over the parts of sum / number, with its percentile interval over groups.

    A resample without any value of one part has no estimate and is left out.
    """
    groups = len(parts[0][0])
    value = float(np.mean([sums.sum() / counts.sum() for sums, counts in parts]))
    if groups == 1:
        return Estimate(n, groups, value, None, None, None, "n/a (1 group)")
    drawn = draw_groups(groups, settings.resamples, settings.seed)
    with np.errstate(invalid="ignore"):
        draws = np.mean([(drawn @ sums) / (drawn @ counts) for sums, counts in parts], axis=0)
    draws = draws[np.isfinite(draws)]
    if np.ptp(draws) < NOISE and bounds is None:
        return Estimate(n, groups, value, None, None, None, "n/a (constant)")
    if np.ptp(draws) < NOISE and bounds is not None:
        low, high = _constant(value, groups, bounds, settings.confidence)
        return Estimate(n, groups, value, low, high, None, f"{100 * settings.confidence:g}% bound (constant)")
    tail = (1 - settings.confidence) / 2
    low, high = (float(q) for q in np.quantile(draws, [tail, 1 - tail]))
    kind = f"{100 * settings.confidence:g}% cluster bootstrap"
    return Estimate(n, groups, value, low, high, float(draws.std(ddof=1)), kind)


def _constant(
    value: float, groups: int, bounds: tuple[float, float], confidence: float
) -> tuple[float, float]:
    """Return what is left possible when all groups gave the same value.

    At this confidence at most a share ``u = 1 - (alpha / 2) ** (1 / groups)`` of all groups can give
    another value (Clopper & Pearson 1934, no event in ``groups`` trials), and that at worst the least
    or greatest possible one. For scores that are all 1 this is the Clopper-Pearson interval itself.
    """
    share = 1 - ((1 - confidence) / 2) ** (1 / groups)
    return value - share * (value - bounds[0]), value + share * (bounds[1] - value)
