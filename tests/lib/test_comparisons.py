"""Two methods on the same problems: the numbers of one comparison, and the correction of a family."""

import pytest

from tests.hand_samples import SETTINGS, sample
from workflow.lib.comparisons import NUMBERS, compare, corrected
from workflow.lib.errors import IntegrityError
from workflow.lib.statistics import Settings

CHOSEN = Settings(**SETTINGS)


def answers(method, scores, group=lambda i: f"g{i}"):
    """Return the answers of each seed, with the score of each problem."""
    return [
        sample(method=method, seed=seed, problem_id=f"p{i}", group_id=group(i), score=float(score))
        for seed, some in scores.items()
        for i, score in enumerate(some)
    ]


def test_answers_and_groups_are_counted_apart():
    # Pairs of problems are groups. Seed 1: +1 -1, +1 0; seed 2: 0 0, +1 0. Three answers gained, one lost,
    # of eight: 2 / 8. Group g0 has +1 - 1 = 0, group g1 +2: one better, none worse.
    ours = answers("dpo", {1: [1, 0, 1, 0], 2: [1, 0, 1, 0]}, lambda i: f"g{i // 2}")
    base = answers("base", {1: [0, 1, 0, 0], 2: [1, 0, 0, 0]}, lambda i: f"g{i // 2}")
    row = compare(ours, base, CHOSEN)
    assert (row["method"], row["against"], row["n"], row["groups"]) == ("dpo", "base", 8, 2)
    assert (row["delta"], row["gained"], row["lost"], row["better"], row["worse"]) == (0.25, 3, 1, 1, 0)
    # the seeds' differences are 1/4 and 1/4
    assert (row["seeds"], row["seed_sd"], row["p_mcnemar"]) == (2, 0.0, 1.0)
    assert set(row) == {*NUMBERS, "method", "against"} - {"p_holm"}


def test_other_trainings_count_in_how_far_the_seeds_differences_differ():
    base = answers("base", {1: [0] * 4, 2: [0] * 4})
    row = compare(answers("dpo", {1: [1, 1, 1, 0], 2: [1, 0, 0, 0]}), base, CHOSEN)
    assert row["seed_sd"] == pytest.approx(0.353553)  # of 3/4 and 1/4: 0.5 / sqrt(2)
    assert row["seeds_low"] < row["low"] < 0.5 == row["delta"] < row["high"] < row["seeds_high"]
    one = compare(answers("dpo", {1: [1, 1, 1, 0]}), answers("base", {1: [0] * 4}), CHOSEN)
    assert (one["seeds"], one["seed_sd"], one["seeds_low"], one["seeds_high"]) == (1, "", "", "")


def test_a_family_is_corrected_together_and_rounded_after():
    # Holm of 1/3, 1/7000000 and 1: 1/3 * 2, 3 / 7000000 and 1; six significant digits.
    rows = corrected({"p_mcnemar": p} for p in (1 / 3, 1 / 7_000_000, 1.0))
    assert [row["p_mcnemar"] for row in rows] == [0.333333, 1.42857e-07, 1.0]
    assert [row["p_holm"] for row in rows] == [0.666667, 4.28571e-07, 1.0]
    assert corrected([]) == []


def test_answers_without_a_partner_are_refused():
    with pytest.raises(IntegrityError, match="samples of dpo and base on quiz"):
        compare(answers("dpo", {1: [1, 0]}), answers("base", {1: [1]}), CHOSEN)
