"""A win rate as it would be between answers of equal length.

Judges favour long answers. The length-controlled win rate of AlpacaEval 2 (Dubois et al. 2024, arXiv
2404.04475, section 3) is read off a logistic regression of the win on the difference in length, at a
difference of zero. Here it is in its simplest form: one policy against one other, no term for how hard a
question is, and no regularisation.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit
from scipy.stats import norm
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from workflow.lib.statistics import NOISE, Estimate, Floats, Settings

FEWEST = 3  # groups, to estimate the variance of two coefficients


def length_controlled(won: Floats, longer: Floats, groups: Sequence[str], settings: Settings) -> Estimate:
    """Return the win rate at equal length, with an interval by the delta method that knows the groups.

    The model is logit P(win) = θ + φ tanh(d / s), where d is the difference in length and s its standard
    deviation, and the estimate is 1 / (1 + exp(-θ)). A tie is half a win (fractional logit; Papke &
    Wooldridge 1996). The covariance is the sandwich over groups; the interval is that of θ, carried over to
    the rate.

    Args:
        won: 1 for a win, ½ for a tie, 0 for a loss, (N,).
        longer: By how much the policy's answer is longer than the other, (N,).
        groups: Group of each pair, N names.
        settings: Level of confidence.
    """
    sizes = len(won), len(set(groups))
    if reason := _cannot_be_fitted(won, longer, sizes[1]):
        return Estimate(*sizes, None, None, None, None, f"n/a ({reason})")
    slope = np.tanh(longer / longer.std())
    _, clusters = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    fitted = GLM(won, np.column_stack([np.ones(len(won)), slope]), family=Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}
    )
    level, error = float(fitted.params[0]), float(fitted.bse[0])
    if not error > NOISE:
        return Estimate(*sizes, float(expit(level)), None, None, None, "n/a (no difference between groups)")
    half = float(norm.ppf((1 + settings.confidence) / 2)) * error
    rate, low, high = (float(expit(value)) for value in (level, level - half, level + half))
    kind = f"{100 * settings.confidence:g}% delta method over groups"
    return Estimate(*sizes, rate, low, high, rate * (1 - rate) * error, kind)


def _cannot_be_fitted(won: Floats, longer: Floats, groups: int) -> str:
    """Return why there is no finite estimate; nothing where there is one.

    It is finite where the lengths with some part of a win and those with some part of a loss overlap
    (Albert & Anderson 1984); with one length alone, nothing is to be controlled.
    """
    wins, losses = longer[won > 0], longer[won < 1]
    if groups < FEWEST:
        return f"fewer than {FEWEST} groups"
    if np.ptp(longer) == 0:
        return "one difference in length"
    if np.ptp(won) == 0:
        return "constant"
    if wins.min() >= losses.max() or wins.max() <= losses.min():
        return "length alone tells wins from losses"
    return ""
