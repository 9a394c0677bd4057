"""Differences from the base within categories and rules, against counts made by hand."""

from tests.hand_samples import SETTINGS, sample, write_samples
from workflow.lib.files import read_csv
from workflow.scripts import compare_categories

SCORES = {  # four problems of either category, each a group
    "base": {"modal": [0, 0, 0, 0], "analogical": [1, 1, 1, 1]},
    "sft": {"modal": [0, 0, 0, 0], "analogical": [1, 1, 1, 1]},
    "dpo": {"modal": [1, 1, 1, 1], "analogical": [0, 0, 0, 1]},
}


def answers(method, task="quiz"):
    return [
        sample(
            **{"method": method, "task": task, "score": float(score), "rule": "any", "category": category},
            **{"problem_id": f"{category}{i}", "group_id": f"{category}{i}"},
        )
        for category, scores in SCORES[method].items()
        for i, score in enumerate(scores)
    ]


def run(tmp_path, *files):
    paths = [write_samples(tmp_path / f"{n}.parquet", some) for n, some in enumerate(files)]
    compare_categories.main(samples=paths, deltas=str(tmp_path / "deltas.csv"), settings=SETTINGS)
    return read_csv(tmp_path / "deltas.csv")


def test_categories_are_one_family_and_rules_another(tmp_path):
    rows = run(tmp_path, *map(answers, SCORES))
    fields = ("field", "category", "method", "delta", "p_mcnemar", "p_holm", "family")
    # Signs 0 to 3: 2 / 2^3 = 0.25; 4 to 0: 2 / 2^4 = 0.125. Of four comparisons Holm multiplies the least p
    # by 4 and the next by 3. Over all problems dpo gains 4 and loses 3: p = 1, in a family of two.
    assert [tuple(row[name] for name in fields) for row in rows] == [
        ("category", "analogical", "sft", "0.0", "1.0", "1.0", "4"),
        ("category", "analogical", "dpo", "-0.75", "0.25", "0.75", "4"),
        ("category", "modal", "sft", "0.0", "1.0", "1.0", "4"),
        ("category", "modal", "dpo", "1.0", "0.125", "0.5", "4"),
        ("rule", "any", "sft", "0.0", "1.0", "1.0", "2"),
        ("rule", "any", "dpo", "0.125", "1.0", "1.0", "2"),
    ]
    assert {(row["against"], row["finding"], row["metric"]) for row in rows} == {
        ("base", "unclear", "accuracy"),
    }


def test_each_task_has_its_own_families(tmp_path):
    twice = run(tmp_path, *map(answers, SCORES), *(answers(method, "exam") for method in SCORES))
    assert [row for row in twice if row["task"] == "quiz"] == run(tmp_path, *map(answers, SCORES))
    assert len(twice) == 12 and {row["family"] for row in twice} == {"4", "2"}


def test_a_difference_that_lasts_through_the_correction_is_found(tmp_path):
    # Twelve groups gained, none lost, alone in its family: p = 2 / 2^12.
    def twelve(method, score):
        return [sample(method=method, problem_id=f"p{i}", group_id=f"g{i}", score=score) for i in range(12)]

    rows = run(tmp_path, twelve("base", 0.0), twelve("dpo", 1.0))
    assert [(row["field"], row["p_holm"], row["finding"]) for row in rows] == [
        ("category", "0.000488281", "better"),
        ("rule", "0.000488281", "better"),
    ]
