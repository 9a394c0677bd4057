"""The win rate at equal length: by hand where a closed form is known, and a planted favour by simulation."""

from math import log, sqrt

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from tests.hand_samples import SETTINGS
from workflow.lib.length_control import length_controlled
from workflow.lib.statistics import Settings

BY = Settings(**SETTINGS)


def names(number: int) -> list[str]:
    return [f"g{n}" for n in range(number)]


def test_two_lengths_make_two_rates_whose_log_odds_are_averaged() -> None:
    # 10 words longer: 3 of 4 won, log odds log 3. 10 words shorter: 2 of 4, log odds 0. Two parameters fit
    # both, and zero lies in the middle, whatever the scale: log 3 / 2, that is √3 / (√3 + 1). The variance of
    # the log odds of r in 4 single pairs is 1 / (4 r (1 - r)), 4/3 and 1, and of half their sum 7/12; times
    # G / (G - 1) · (n - 1) / (n - 2) = 8/7 · 7/6 for few groups.
    won = np.asarray([1, 1, 1, 0, 1, 1, 0, 0], dtype=float)
    longer = np.asarray([10.0] * 4 + [-10.0] * 4)
    found = length_controlled(won, longer, names(8), BY)
    assert found.value == pytest.approx(sqrt(3) / (sqrt(3) + 1), abs=1e-6)
    half = norm.ppf(0.975) * sqrt(7 / 12 * 8 / 7 * 7 / 6)
    assert (found.low, found.high) == pytest.approx(
        tuple(expit(log(3) / 2 + side * half) for side in (-1, 1)), abs=1e-6
    )
    assert found.value is not None
    slope = found.value * (1 - found.value)  # of the rate at its log odds
    assert found.error == pytest.approx(slope * sqrt(7 / 12 * 8 / 7 * 7 / 6), abs=1e-6)
    assert (found.n, found.groups, found.interval) == (8, 8, "95% delta method over groups")


def test_a_tie_is_half_a_win_and_pairs_of_a_group_are_one() -> None:
    # Of the longer ½ 1 1 ½, log odds log 3 as above; of the shorter ½ everywhere, log odds 0.
    won = np.asarray([0.5, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5])
    longer = np.asarray([10.0] * 4 + [-10.0] * 4)
    alone = length_controlled(won, longer, names(8), BY)
    assert alone.value == pytest.approx(sqrt(3) / (sqrt(3) + 1), abs=1e-6)
    twice = length_controlled(np.tile(won, 2), np.tile(longer, 2), names(8) * 2, BY)
    assert twice.value == pytest.approx(alone.value, abs=1e-9) and (twice.n, twice.groups) == (16, 8)
    assert alone.error is not None and twice.error is not None
    # Twice the same tells nothing new; the correction for few groups alone goes to 8/7 · 15/14.
    assert twice.error == pytest.approx(alone.error * sqrt(8 / 7 * 15 / 14 / (8 / 7 * 7 / 6)), rel=1e-6)


def test_a_planted_favour_for_length_is_taken_out() -> None:
    # At equal length the policy wins by log odds 0.4, 59.9 %; the judge adds 2 for each tanh of a standard
    # deviation, and the policy is 30 words longer on average, so that it wins far more often as it stands.
    drawn = np.random.default_rng(5)
    longer = drawn.normal(30, 40, 4000).round()
    won = (drawn.random(4000) < expit(0.4 + 2 * np.tanh(longer / longer.std()))).astype(float)
    found = length_controlled(won, longer, [f"g{n // 2}" for n in range(4000)], BY)
    assert won.mean() > 0.72
    assert found.value == pytest.approx(expit(0.4), abs=0.03)
    assert found.low is not None and found.high is not None and found.low < expit(0.4) < found.high < 0.66


@pytest.mark.parametrize(
    ("won", "longer", "groups", "reason"),
    [
        pytest.param([], [], [], "fewer than 3 groups", id="nothing"),
        pytest.param([1, 0, 1, 0], [1, 2, 3, 4], list("aabb"), "fewer than 3 groups", id="too few groups"),
        pytest.param([1, 0, 1], [5, 5, 5], ["a", "b", "c"], "one difference in length", id="one length"),
        pytest.param([1, 1, 1], [1, 2, 3], ["a", "b", "c"], "constant", id="all won"),
        pytest.param([0, 0, 0], [1, 2, 3], ["a", "b", "c"], "constant", id="all lost"),
        pytest.param([0.5] * 3, [1, 2, 3], ["a", "b", "c"], "constant", id="all tied"),
        pytest.param(
            [0, 1, 0, 1], [1, 2, 2, 3], list("abcd"), "length alone tells wins from losses", id="longer wins"
        ),
        pytest.param(
            [1, 0.5, 0], [1, 2, 3], list("abc"), "length alone tells wins from losses", id="shorter wins"
        ),
    ],
)
def test_what_cannot_be_fitted_says_why(
    won: list[float], longer: list[float], groups: list[str], reason: str
) -> None:
    found = length_controlled(np.asarray(won, dtype=float), np.asarray(longer, dtype=float), groups, BY)
    assert (found.value, found.low, found.high, found.error) == (None, None, None, None)
    assert found.interval == f"n/a ({reason})"


def test_groups_that_do_not_differ_have_no_interval() -> None:
    # In each group one is won and one lost at either length: log odds 0, and nothing tells how sure.
    found = length_controlled(
        np.asarray([1.0, 0, 1, 0] * 3), np.asarray([1.0, 1, 2, 2] * 3), sorted([*"abc"] * 4), BY
    )
    assert found.value == pytest.approx(0.5) and (found.low, found.high, found.error) == (None, None, None)
    assert found.interval == "n/a (no difference between groups)"
