"""Every two policies compared, and places instead of ranks, against counts made by hand."""

from tests.hand_samples import SETTINGS, sample, write_samples
from workflow.lib.files import read_csv
from workflow.scripts import rank_methods

SCORES = {"base": [0] * 12, "sft": [1] + [0] * 11, "dpo": [1] * 12}  # of twelve problems, each a group


def answers(method, task="quiz"):
    return [
        sample(method=method, task=task, problem_id=f"p{i}", group_id=f"g{i}", score=float(score))
        for i, score in enumerate(SCORES[method])
    ]


def run(tmp_path, *files):
    paths = [write_samples(tmp_path / f"{n}.parquet", some) for n, some in enumerate(files)]
    outputs = {name: str(tmp_path / f"{name}.csv") for name in ("pairs", "ranks")}
    rank_methods.main(samples=paths, settings=SETTINGS, **outputs)
    return read_csv(outputs["pairs"]), read_csv(outputs["ranks"])


def cells(rows, *fields):
    return [tuple(row[field] for field in fields) for row in rows]


def test_every_two_policies_in_one_family(tmp_path):
    pairs, _ = run(tmp_path, *map(answers, SCORES))
    # Signs 0 to 1: p = 1; 0 to 12: 2 / 2^12 = 0.000488281, times 3; 0 to 11: 2 / 2^11, times 2.
    assert cells(pairs, "method", "against", "gained", "lost", "p_mcnemar", "p_holm", "finding") == [
        ("base", "sft", "0", "1", "1.0", "1.0", "unclear"),
        ("base", "dpo", "0", "12", "0.000488281", "0.00146484", "worse"),
        ("sft", "dpo", "0", "11", "0.000976562", "0.00195312", "worse"),
    ]


def test_who_is_not_told_apart_shares_a_letter_and_a_range_of_places(tmp_path):
    _, ranks = run(tmp_path, *map(answers, SCORES))
    assert cells(ranks, "method", "estimate", "place_best", "place_worst", "ties", "metric") == [
        ("dpo", "1.0", "1", "1", "a", "accuracy"),
        ("sft", "0.083333", "2", "3", "b", "accuracy"),
        ("base", "0.0", "2", "3", "b", "accuracy"),
    ]


def test_each_task_has_its_own_family_and_places(tmp_path):
    both = run(tmp_path, *map(answers, SCORES), answers("base", "exam"), answers("dpo", "exam"))
    alone = run(tmp_path, *map(answers, SCORES))
    for some, quiz in zip(both, alone, strict=True):
        assert [row for row in some if row["task"] == "quiz"] == quiz
    exam = [row for row in both[0] if row["task"] == "exam"]
    assert cells(exam, "method", "against", "p_holm") == [("base", "dpo", "0.000488281")]


def test_equals_stand_in_the_order_of_their_names_with_one_letter(tmp_path):
    same = [sample(method=method, group_id="g1") for method in ("orpo", "base")]
    pairs, ranks = run(tmp_path, same[:1], same[1:])
    assert cells(ranks, "method", "place_best", "place_worst", "ties") == [
        ("base", "1", "2", "a"),
        ("orpo", "1", "2", "a"),
    ]
    assert cells(pairs, "low", "interval", "finding") == [("", "n/a (1 group)", "unclear")]
