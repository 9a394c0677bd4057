"""Estimates and comparisons against hand arithmetic, scipy and statsmodels, and by simulation."""

import random
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from workflow.lib import statistics
from workflow.lib.statistics import (
    Settings,
    average,
    balanced,
    detectable,
    difference,
    draw_groups,
    holm,
    mcnemar,
    mean,
    rounded,
)

SETTINGS = Settings(resamples=2000, confidence=0.95, seed=1, examples=0)


def array(*values):
    return np.asarray(values, dtype=float)


def test_mean_resamples_whole_groups():
    # Groups a = (1, 0) and b = (1): drawn aa, ab or ba, bb with 1/4, 1/2, 1/4,
    # the means are 2/4, (1 + 1) / 3 and 2/2, so 2.5 % of the draws lie at 1/2 and 97.5 % at 1.
    found = mean(array(1, 0, 1), ["a", "a", "b"], SETTINGS)
    assert (found.n, found.groups, found.value) == (3, 2, pytest.approx(2 / 3))
    assert (found.low, found.high) == (0.5, 1.0)
    centre = (0.5 + 2 * 2 / 3 + 1) / 4
    variance = ((0.5 - centre) ** 2 + 2 * (2 / 3 - centre) ** 2 + (1 - centre) ** 2) / 4
    assert found.error == pytest.approx(variance**0.5, rel=0.05)
    assert found.interval == "95% cluster bootstrap"


def test_mean_agrees_with_scipy_where_every_group_is_one_score():
    scores = np.random.default_rng(3).random(80)
    found = mean(scores, [str(i) for i in range(80)], SETTINGS)
    reference = scipy.stats.bootstrap(
        (scores,), np.mean, n_resamples=9999, method="percentile", rng=np.random.default_rng(4)
    )
    assert found.low == pytest.approx(reference.confidence_interval.low, abs=0.008)
    assert found.high == pytest.approx(reference.confidence_interval.high, abs=0.008)
    assert found.error == pytest.approx(reference.standard_error, rel=0.06)


def test_order_of_rows_and_names_of_groups_change_nothing():
    rows = [(float(i % 3 == 0), f"g{i // 4:02d}") for i in range(40)]
    shuffled = random.Random(5).sample(rows, len(rows))
    found = [
        mean(array(*(r[0] for r in some)), [r[1] for r in some], SETTINGS)
        for some in (rows, shuffled, [(score, f"x{name}") for score, name in rows])
    ]
    assert found[0] == found[1] == found[2]


def test_seed_fixes_the_interval():
    scores, groups = array(*([1, 0, 0, 1, 1] * 8)), [str(i // 2) for i in range(40)]
    first, again = (mean(scores, groups, SETTINGS) for _ in range(2))
    other = mean(scores, groups, replace(SETTINGS, seed=2))
    assert first == again
    assert other.value == first.value and other.error != first.error


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_interval_of_constant_scores_is_clopper_pearson_of_the_groups(score):
    # 20 scores in 10 groups: the units are 10, so 0.025 ** (1 / 10) = 0.6915 is the lower end at 10 of 10.
    found = mean(array(*[score] * 20), [str(i // 2) for i in range(20)], SETTINGS)
    exact = scipy.stats.binomtest(int(score * 10), 10).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == (pytest.approx(exact.low), pytest.approx(exact.high))
    assert found.interval == "95% bound (constant)" and found.error is None


def test_interval_of_equal_methods_is_not_empty():
    # No group of 4 differs: up to u = 1 - 0.025 ** (1 / 4) = 0.6024 of all groups may, by one at most.
    scores = array(1, 0, 1, 1)
    found = difference(scores, scores, list("abcd"), SETTINGS)
    assert (found.value, found.low, found.high) == (0, pytest.approx(-0.60236, abs=1e-5), -found.low)


@pytest.mark.parametrize(
    ("scores", "groups", "value", "reason"),
    [([1, 0], ["a", "a"], 0.5, "n/a (1 group)"), ([], [], None, "n/a (no answers)")],
)
def test_no_interval_comes_with_the_reason(scores, groups, value, reason):
    found = mean(array(*scores), groups, SETTINGS)
    assert (found.value, found.low, found.high, found.error) == (value, None, None, None)
    assert found.interval == reason


def test_average_is_the_mean_of_numbers_without_bounds():
    # Groups a = (12, 0) and b = (-3): drawn aa, ab or ba, bb, with the means 6, (12 + 0 - 3) / 3 and -3.
    found = average(array(12, 0, -3), ["a", "a", "b"], SETTINGS)
    assert (found.n, found.groups, found.value) == (3, 2, pytest.approx(3))
    assert (found.low, found.high) == (-3, 6)
    centre = (6 + 2 * 3 - 3) / 4
    variance = ((6 - centre) ** 2 + 2 * (3 - centre) ** 2 + (-3 - centre) ** 2) / 4
    assert found.error == pytest.approx(variance**0.5, rel=0.05)


@pytest.mark.parametrize(
    ("numbers", "groups", "value", "reason"),
    [
        ([7, 7], ["a", "b"], 7, "n/a (constant)"),
        ([7, 5], ["a", "a"], 6, "n/a (1 group)"),
        ([], [], None, "n/a (no answers)"),
    ],
)
def test_an_average_without_an_interval_says_why(numbers, groups, value, reason):
    found = average(array(*numbers), groups, SETTINGS)
    assert (found.value, found.low, found.high, found.error) == (value, None, None, None)
    assert found.interval == reason


def test_balanced_is_the_mean_of_both_accuracies():
    # yes: 3 of 4 right, no: 1 of 2 right, so (3/4 + 1/2) / 2 = 0.625, while plain accuracy is 4/6.
    labels = ["yes", "yes", "no", "yes", "yes", "no"]
    found = balanced(array(1, 1, 0, 1, 0, 1), labels, list("aabbcc"), SETTINGS)
    assert found.value == pytest.approx(0.625)
    assert found.low < found.value < found.high


def test_balanced_interval_skips_resamples_without_one_answer():
    # Group c alone has "no": resamples without c have no balanced accuracy.
    found = balanced(array(1, 0, 1), ["yes", "yes", "no"], list("abc"), SETTINGS)
    assert (found.value, found.low, found.high) == (0.75, 0.5, 1.0)


def test_balanced_of_one_gold_answer_is_undefined():
    found = balanced(array(1, 0), ["yes", "yes"], ["a", "b"], SETTINGS)
    assert (found.n, found.value, found.interval) == (2, None, "n/a (one gold answer)")


def test_difference_keeps_the_pairs():
    # Differences 1, 1, 0, -1, 1: mean 0.4. Pairing matters: all pairs +0.25 leave no spread at all.
    found = difference(array(1, 1, 0, 0, 1), array(0, 0, 0, 1, 0), list("abcde"), SETTINGS)
    assert found.value == pytest.approx(0.4) and found.low < 0.4 < found.high
    left = array(0.25, 0.5, 0.75, 1)
    steady = difference(left, left - 0.25, list("abcd"), SETTINGS)
    assert steady.value == 0.25 and steady.interval == "95% bound (constant)"


def test_mcnemar_of_single_problems_is_the_exact_test():
    # Discordant 9 and 2: 2 * (C(11,0) + C(11,1) + C(11,2)) / 2^11 = 2 * 67 / 2048.
    left, right = array(*[1] * 9, *[0] * 2, *[1] * 5), array(*[0] * 9, *[1] * 2, *[1] * 5)
    found = mcnemar(left, right, [str(i) for i in range(16)])
    assert (found.better, found.worse, found.p) == (9, 2, pytest.approx(134 / 2048))
    assert found.p == pytest.approx(statsmodels_mcnemar([[5, 9], [2, 0]], exact=True).pvalue)


def test_mcnemar_gives_each_group_one_vote():
    # a: +2, b: +1 - 1 = 0, c: -1: one better, one worse, one undecided.
    left, right = array(1, 1, 1, 0, 0), array(0, 0, 0, 1, 1)
    found = mcnemar(left, right, ["a", "a", "b", "b", "c"])
    assert (found.better, found.worse, found.p) == (1, 1, 1.0)


def test_mcnemar_sees_no_sign_in_rounding():
    left, right = array(0.1, 0.2, 0), array(0, 0, 0.3)
    assert float(np.sum(left - right)) > 0  # 5.6e-17
    assert mcnemar(left, right, ["a"] * 3) == statistics.Signs(0, 0, 1.0)


def test_holm_steps_down():
    # Sorted 0.01 * 4, 0.02 * 3, 0.03 * 2, 0.5 * 1, none below the one before.
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert holm([]) == []


def test_detectable_difference():
    # (1.959964 + 0.841621) * 0.1
    assert detectable(0.1, confidence=0.95, power=0.8) == pytest.approx(0.2801585, abs=1e-6)
    assert detectable(None, confidence=0.95, power=0.8) is None


def test_rounded_cells():
    assert [rounded(v) for v in (None, 0.12345678, -1e-12, 1.0)] == ["", 0.123457, 0.0, 1.0]
    assert str(rounded(-1e-12)) == "0.0"


def test_draws_do_not_depend_on_the_size_of_blocks(monkeypatch):
    whole = draw_groups(7, 100, 1)
    statistics._drawn.cache_clear()
    monkeypatch.setattr(statistics, "BLOCK", 50)
    assert np.array_equal(draw_groups(7, 100, 1), whole)
    assert set(whole.sum(axis=1)) == {7.0} and len(np.unique(whole, axis=0)) > 50


# Simulations: 60 groups of 3 problems whose difficulty is the group's, so answers hang together.
GROUPS, SIZE, STUDIES = 60, 3, 600
NAMES = [str(i // SIZE) for i in range(GROUPS * SIZE)]
QUICK = Settings(resamples=400, confidence=0.95, seed=0, examples=0)


def skills(generator, mean_skill):
    """Return the chance of a right answer to each problem, the same within a group."""
    return np.repeat(generator.beta(2 * mean_skill, 2 * (1 - mean_skill), GROUPS), SIZE)


def resampled(generator):
    """Return quick settings whose resamples are new ones."""
    return replace(QUICK, seed=int(generator.integers(1 << 31)))


def answers(generator, chances):
    return (generator.random(len(chances)) < chances).astype(float)


def test_intervals_cover_the_truth_as_often_as_they_say():
    generator = np.random.default_rng(11)
    clustered, naive = 0, 0
    for _ in range(STUDIES):
        scores = answers(generator, skills(generator, 0.6))
        found = mean(scores, NAMES, resampled(generator))
        single = mean(scores, [str(i) for i in range(len(scores))], resampled(generator))
        clustered += found.low <= 0.6 <= found.high
        naive += single.low <= 0.6 <= single.high
    assert 0.92 <= clustered / STUDIES <= 0.975
    assert naive / STUDIES < 0.9, "the answers must hang together for this test to mean something"


def test_null_is_rejected_no_more_often_than_stated():
    # Both methods draw their skill in a group from the same distribution: exchangeable, not equal.
    generator = np.random.default_rng(12)
    by_group, by_problem, by_interval = 0, 0, 0
    for _ in range(STUDIES):
        left, right = (answers(generator, skills(generator, 0.6)) for _ in range(2))
        by_group += mcnemar(left, right, NAMES).p <= 0.05
        by_problem += mcnemar(left, right, [str(i) for i in range(len(left))]).p <= 0.05
        found = difference(left, right, NAMES, resampled(generator))
        by_interval += not found.low <= 0 <= found.high
    assert by_group / STUDIES <= 0.055
    assert by_interval / STUDIES <= 0.075
    assert by_problem / STUDIES > 0.08, "a vote per problem rejects too often: why a group has one vote"


def test_detectable_difference_is_found_with_its_power():
    generator = np.random.default_rng(13)

    def study(gain):
        chances = skills(generator, 0.5)
        better = answers(generator, np.where(generator.random(len(chances)) < gain, 1.0, chances))
        return difference(better, answers(generator, chances), NAMES, resampled(generator))

    error = float(np.mean([study(0.2).error for _ in range(30)]))
    gain = detectable(error, confidence=0.95, power=0.8) / 0.5  # lifts the mean chance of 1/2 by half of it
    found = sum(study(gain).low > 0 for _ in range(STUDIES)) / STUDIES
    assert 0.74 <= found <= 0.88
