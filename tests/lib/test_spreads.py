"""The spread over seeds: hand arithmetic, and by simulation how often its interval holds the truth."""

import numpy as np
import pytest
from scipy.stats import t

from workflow.lib.spreads import COLUMNS, Spread, spread
from workflow.lib.statistics import Estimate, Settings, mean

QUICK = Settings(resamples=400, confidence=0.95, seed=0, examples=0)


def test_two_seeds_in_two_groups_by_hand():
    # Means of the seeds: (1 + 0) / 2 and (1 + 1) / 2, their mean 0.75, s² = 2 * 0.25² = 0.125.
    # Problems 0.01, trainings 0.125 / 2 = 0.0625, together 0.0725; Satterthwaite's degrees of freedom
    # 0.0725² / (0.01² / 1 + 0.0625² / 1) = 1.312..., one each for two groups and for two seeds.
    found = Estimate(4, 2, 0.75, 0.5, 1.0, 0.1, "95% cluster bootstrap")
    told = spread(np.asarray([1.0, 0.0, 1.0, 1.0]), [1, 1, 2, 2], found, 0.95)
    half = t.ppf(0.975, 0.0725**2 / (0.01**2 + 0.0625**2)) * 0.0725**0.5
    assert (told.seeds, told.sd) == (2, pytest.approx(0.125**0.5))
    assert (told.low, told.high) == (pytest.approx(0.75 - half), pytest.approx(0.75 + half))


def test_the_order_of_the_answers_and_the_numbers_of_the_seeds_change_nothing():
    values, found = np.asarray([1.0, 0.0, 1.0, 1.0]), Estimate(4, 9, 0.75, 0.5, 1.0, 0.1, "")
    expected = spread(values, [1, 1, 2, 2], found, 0.95)
    assert spread(values[[2, 0, 3, 1]], [7, 3, 7, 3], found, 0.95) == expected


def test_degrees_of_freedom_are_those_of_the_groups_where_seeds_agree():
    # No spread over 3 seeds: 0.04² * (G - 1) / 0.04² = 9 degrees of freedom for ten groups.
    found = Estimate(6, 10, 0.5, 0.4, 0.6, 0.04, "")
    told = spread(np.asarray([1.0, 0.0] * 3), [1, 1, 2, 2, 3, 3], found, 0.9)
    half = t.ppf(0.95, 9) * 0.04
    assert (told.sd, told.low, told.high) == (0, pytest.approx(0.5 - half), pytest.approx(0.5 + half))


def test_one_seed_has_no_spread_and_no_interval():
    told = spread(np.asarray([1.0, 0.0]), [3, 3], Estimate(2, 2, 0.5, 0.0, 1.0, 0.3, ""), 0.95)
    assert told == Spread(1, None, None, None)
    assert told.columns() == dict(zip(COLUMNS, (1, "", "", ""), strict=True))


def test_without_a_standard_error_the_seeds_differ_and_there_is_no_interval():
    told = spread(np.asarray([1.0, 0.0]), [1, 2], Estimate(2, 1, 0.5, None, None, None, "n/a"), 0.95)
    assert told.columns() == {"seeds": 2, "seed_sd": 0.707107, "seeds_low": "", "seeds_high": ""}


SEEDS, SIZE, STUDIES = 3, 3, 500


def coverage(groups: int, sd: float) -> tuple[float, float]:
    """Return how often the interval with trainings, and the one without, hold the mean of all trainings.

    Problems of a group are equally hard for all seeds; a training adds its own effect to every chance.
    """
    generator = np.random.default_rng(21)
    names = [str(i // SIZE) for i in range(groups * SIZE)] * SEEDS
    seeds = np.repeat(range(SEEDS), groups * SIZE)
    held = np.zeros(2)
    for _ in range(STUDIES):
        skills = np.tile(np.repeat(generator.beta(6, 4, groups), SIZE), SEEDS)
        effects = np.repeat(generator.normal(0, sd, SEEDS), groups * SIZE)
        scores = (generator.random(len(skills)) < skills + effects).astype(float)
        found = mean(scores, names, QUICK)
        with_seeds = spread(scores, seeds, found, 0.95)
        held += [one.low <= 0.6 <= one.high for one in (with_seeds, found)]
    return tuple(held / STUDIES)


@pytest.mark.parametrize(("groups", "sd"), [(60, 0.0), (60, 0.02), (60, 0.05), (190, 0.05)])
def test_the_interval_with_trainings_covers_what_all_trainings_would_give(groups, sd):
    with_seeds, without = coverage(groups, sd)
    assert 0.925 <= with_seeds <= 0.98
    if sd == 0.05:
        assert without < 0.9, "trainings must differ for this test to mean something"
