"""Samples are read in order, sorted into groups, and paired or refused."""

import pytest

from tests.hand_samples import sample, write_samples
from workflow.lib.errors import IntegrityError
from workflow.lib.samples import grouped, load_samples, mean_score, paired


def test_files_and_rows_keep_their_order(tmp_path):
    paths = [
        write_samples(tmp_path / f"{name}.parquet", [sample(problem_id=f"{name}{i}") for i in (2, 1)])
        for name in ("b", "a")
    ]
    assert [s.problem_id for s in load_samples(paths)] == ["b2", "b1", "a2", "a1"]


def test_grouped_in_the_order_of_first_occurrence():
    rows = [sample(method=m, seed=s) for m, s in [("sft", 2), ("base", 1), ("sft", 2)]]
    groups = grouped(rows, "method", "seed")
    assert list(groups) == [("sft", 2), ("base", 1)]
    assert [len(some) for some in groups.values()] == [2, 1]


def test_pairs_share_problem_repeat_and_seed():
    keys = [("p2", 0, 1), ("p1", 1, 1), ("p1", 0, 2), ("p1", 0, 1)]

    def make(method, order):
        return [sample(method=method, problem_id=p, repeat=r, seed=s) for p, r, s in order]

    pairs = paired(make("dpo", keys), make("base", keys[::-1]))
    assert [(a.method, b.method) for a, b in pairs] == [("dpo", "base")] * 4
    assert [(a.problem_id, a.repeat, a.seed) for a, _ in pairs] == sorted(keys)
    assert all((a.problem_id, a.repeat, a.seed) == (b.problem_id, b.repeat, b.seed) for a, b in pairs)


@pytest.mark.parametrize(
    "other",
    [["p1"], ["p1", "p3"], ["p1", "p2", "p2"]],
    ids=["missing", "another", "twice"],
)
def test_answers_without_a_partner_are_refused(other):
    ours = [sample(method="dpo", problem_id=p) for p in ("p1", "p2")]
    with pytest.raises(IntegrityError, match="samples of dpo and base on quiz"):
        paired(ours, [sample(problem_id=p) for p in other])


def test_mean_score_is_that_of_the_answers():
    assert mean_score([sample(score=score) for score in (1.0, 0.0, 0.5)]) == 0.5
