"""How far a policy's own confidence can be believed, where the options of a problem are scored.

The confidence is the probability of the option that is chosen: the softmax of the options' log-likelihoods.
Expected calibration error and reliability after Guo et al. 2017 (arXiv 1706.04599), equations 2 and 3; the
Brier score after Brier 1950; selective accuracy after Geifman & El-Yaniv 2017
(arXiv 1705.08500), section 2: the accuracy among the most confident share of the answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from workflow.lib.records import Sample
from workflow.lib.statistics import Estimate, Floats, Settings, draw_groups

BINS = 10  # of equal width, from 0 to 1


@dataclass(frozen=True)
class Confidences:
    """Of N answers: confidence, score and Brier score, each (N,), and their groups."""

    confidence: Floats
    right: Floats
    brier: Floats
    groups: list[str]


def confidences(samples: Sequence[Sample]) -> Confidences:
    """Return what the log-likelihoods of the samples say.

    A sample does not tell which of several other options is right, so the Brier score is that of one
    question, whether the chosen option is right: (confidence - right)².
    """
    probabilities = [softmax(np.asarray(sample.loglikelihoods)) for sample in samples]
    confidence = np.asarray([p.max() for p in probabilities])
    right = np.asarray([sample.score for sample in samples])
    return Confidences(confidence, right, (confidence - right) ** 2, [s.group_id for s in samples])


def bins_of(confidence: Floats) -> npt.NDArray[np.int64]:
    """Return the bin of each confidence, (N,); the last bin has its upper end."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def calibration_error(found: Confidences, settings: Settings) -> Estimate:
    """Return the expected calibration error (Guo et al. 2017, equation 3) with its bootstrap interval.

    Chance alone leaves a gap in every bin, so the error is above 0 for a perfectly calibrated policy, and the
    more so the fewer answers there are; its resamples are higher still.
    """
    names, owners = np.unique(np.asarray(found.groups), return_inverse=True)
    places = owners * BINS + bins_of(found.confidence)
    gaps = np.bincount(places, weights=found.right - found.confidence, minlength=len(names) * BINS)
    gaps = gaps.reshape(len(names), BINS)  # sums by group and bin
    counts = np.bincount(owners).astype(float)
    value = float(np.abs(gaps.sum(axis=0)).sum() / counts.sum())
    n, groups = len(owners), len(names)
    if groups == 1:
        return Estimate(n, groups, value, None, None, None, "n/a (1 group)")
    drawn = draw_groups(groups, settings.resamples, settings.seed)
    draws = np.abs(drawn @ gaps).sum(axis=1) / (drawn @ counts)
    tail = (1 - settings.confidence) / 2
    low, high = (float(q) for q in np.quantile(draws, [tail, 1 - tail]))
    kind = f"{100 * settings.confidence:g}% cluster bootstrap"
    return Estimate(n, groups, value, low, high, float(draws.std(ddof=1)), kind)


def most_confident(confidence: Floats, share: float) -> npt.NDArray[np.int64]:
    """Return the places of the ``share`` of the answers with the highest confidence, ties in their order."""
    number = max(1, round(share * len(confidence)))
    return np.argsort(-confidence, kind="stable")[:number]
