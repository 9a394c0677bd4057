"""Confidence, calibration error, Brier score and the most confident answers, by hand."""

from math import log

import numpy as np
import pytest

from tests.hand_samples import sample
from workflow.lib.calibration import (
    BINS,
    Confidences,
    bins_of,
    calibration_error,
    confidences,
    most_confident,
)
from workflow.lib.statistics import Settings

SETTINGS = Settings(resamples=500, confidence=0.95, seed=1, examples=0)


def option(p: float, score: float, group: str):
    """Return an answer whose chosen option has the probability ``p``, up to a factor that is no matter."""
    logs = [log(p) - 3.0, log(1 - p) - 3.0]
    return sample(score=score, group_id=group, loglikelihoods=logs)


def test_confidence_is_the_softmax_of_the_chosen_option():
    found = confidences([option(0.75, 1.0, "a"), option(0.25, 0.0, "b")])
    assert found.confidence.tolist() == pytest.approx([0.75, 0.75])  # of the other option in the second
    assert found.right.tolist() == [1.0, 0.0] and found.groups == ["a", "b"]
    assert found.brier.tolist() == pytest.approx([0.0625, 0.5625])  # (3/4 - 1)² and (3/4 - 0)²


def test_bins_are_tenths_and_the_last_has_its_end():
    assert bins_of(np.asarray([0.0, 0.5, 0.59, 0.6001, 0.999, 1.0])).tolist() == [0, 5, 5, 6, 9, 9]


def test_calibration_error_by_hand():
    # Bin of 0.75: right 1 and 0, so |1 - 1.5| = 0.5; of 0.55: |1 - 0.55| = 0.45; of 0.95: |0 - 0.95|;
    # (0.5 + 0.45 + 0.95) / 4. Gaps of one sign in two bins add up, which one bin for all would not show.
    found = Confidences(
        np.asarray([0.75, 0.75, 0.55, 0.95]), np.asarray([1.0, 0.0, 1.0, 0.0]), np.zeros(4), list("abcd")
    )
    error = calibration_error(found, SETTINGS)
    assert (error.n, error.groups, error.value) == (4, 4, pytest.approx(0.475))
    assert error.low < error.value < error.high and error.interval == "95% cluster bootstrap"


def test_calibration_error_is_that_of_a_loop_over_the_bins():
    generator = np.random.default_rng(2)
    confidence = generator.uniform(0.5, 1.0, 300)
    right = (generator.random(300) < confidence - 0.1).astype(float)
    groups = [str(i // 3) for i in range(300)]
    total = 0.0
    for low in range(BINS):
        some = [i for i in range(300) if low / BINS <= confidence[i] < (low + 1) / BINS]
        if some:
            accuracy = sum(right[i] for i in some) / len(some)
            stated = sum(confidence[i] for i in some) / len(some)
            total += len(some) / 300 * abs(accuracy - stated)
    found = calibration_error(Confidences(confidence, right, right, groups), SETTINGS)
    assert (found.groups, found.value) == (100, pytest.approx(total))
    assert 0.05 < found.low < found.high < 0.2  # it says 0.1 more than it gets right


def test_one_group_has_an_error_and_no_interval():
    found = calibration_error(confidences([option(0.75, 1.0, "a")] * 2), SETTINGS)
    assert (found.value, found.low, found.interval) == (pytest.approx(0.25), None, "n/a (1 group)")


def test_the_most_confident_come_first_and_ties_keep_their_order():
    confidence = np.asarray([0.6, 0.9, 0.6, 0.9, 0.7])
    assert most_confident(confidence, 0.4).tolist() == [1, 3]
    assert most_confident(confidence, 0.8).tolist() == [1, 3, 4, 0]
    assert most_confident(confidence, 1.0).tolist() == [1, 3, 4, 0, 2]
    assert most_confident(confidence, 0.01).tolist() == [1]  # one at least
    many = np.asarray([0.6, 0.9] * 50)  # so many that a sort that is not stable shows
    assert most_confident(many, 1.0).tolist() == [*range(1, 100, 2), *range(0, 100, 2)]
