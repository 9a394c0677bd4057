"""What was planted is found and what was not is a tie, through the whole comparison."""

import numpy as np

from tests.hand_samples import sample
from workflow.lib.comparisons import compare, corrected
from workflow.lib.statistics import Settings
from workflow.lib.verdicts import verdict
from workflow.scripts.rank_methods import pairs_of, ranks_of

SETTINGS = Settings(resamples=400, confidence=0.95, seed=5, examples=0)


def answers(method, scores, size):
    """Return one answer per score; ``size`` problems in a row are a group."""
    return [
        sample(method=method, problem_id=f"p{i}", group_id=f"g{i // size}", score=float(score))
        for i, score in enumerate(scores)
    ]


def planted():
    """Return 2,000 answers in 500 groups: of the base, of its equal, and of one better by five points.

    Both others repeat four of five answers of the base and draw the rest anew; the better one is also right
    on one of eight answers that would be wrong, 0.4 / 8 = 0.05 of all.
    """
    generator = np.random.default_rng(8)
    chances = np.repeat(generator.beta(3, 2, 500), 4)  # 0.6 on average
    draws = [generator.random(2000) < chances for _ in range(3)]
    kept = [generator.random(2000) < 0.8 for _ in range(2)]
    equal, better = (np.where(keep, draws[0], new) for keep, new in zip(kept, draws[1:], strict=True))
    scores = {"base": draws[0], "sft": equal, "dpo": better | (generator.random(2000) < 1 / 8)}
    return {method: answers(method, some, 4) for method, some in scores.items()}


def test_five_planted_points_are_found_and_none_are_a_tie():
    methods = planted()
    family = corrected(compare(methods[name], methods["base"], SETTINGS) for name in ("sft", "dpo"))
    assert [verdict(row) for row in family] == ["unclear", "better"]
    assert family[1]["low"] < 0.05 < family[1]["high"] and family[0]["low"] < 0 < family[0]["high"]
    ranks = {row["method"]: row for row in ranks_of(methods, pairs_of(methods, SETTINGS))}
    assert {name: row["ties"] for name, row in ranks.items()} == {"dpo": "a", "base": "b", "sft": "b"}
    assert (ranks["dpo"]["place_best"], ranks["dpo"]["place_worst"]) == (1, 1)
    assert {(ranks[m]["place_best"], ranks[m]["place_worst"]) for m in ("base", "sft")} == {(2, 3)}


STUDIES, GROUPS, SIZE = 200, 60, 3


def null(generator):
    """Return scores of a method whose skill is drawn anew in each group."""
    return generator.random(GROUPS * SIZE) < np.repeat(generator.beta(1, 1, GROUPS), SIZE)


def test_studies_in_which_nothing_differs_seldom_call_anything_different(monkeypatch):
    # Two methods and the base draw their skill in a group from one distribution: exchangeable. A study errs
    # when it calls either method better or worse; at most 1 in 20 may, and chance adds two standard errors
    # of a share of 0.055 in 200 studies: 2 * sqrt(0.055 * 0.945 / 200) = 0.032.
    monkeypatch.setattr("gc.collect", lambda: 0)  # which statsmodels does in every correction: nine tenths
    generator, wrong = np.random.default_rng(9), 0
    for _ in range(STUDIES):
        base, *others = (
            answers(
                name, generator.random(GROUPS * SIZE) < np.repeat(generator.beta(1, 1, GROUPS), SIZE), SIZE
            )
            for name in ("base", "sft", "dpo")
        )
        family = corrected(compare(some, base, SETTINGS) for some in others)
        wrong += any(verdict(row) != "unclear" for row in family)
    assert wrong / STUDIES <= 0.055 + 0.032
