"""Tables of estimates against counts made by hand."""

from tests.hand_samples import SETTINGS, sample, write_samples
from workflow.lib.files import read_csv
from workflow.lib.spreads import COLUMNS as SPREAD
from workflow.scripts import estimate_scores


def quiz(method="base"):
    """Return six answers of each of two seeds: yes 3 of 3 and 2 of 3, no 1 of 3 and 0 of 3, one unparsed."""
    gold = ["yes", "no"] * 3
    parsed = {1: ["yes", "no", "yes", "yes", "yes", None], 2: ["yes", "yes", "no", "yes", "yes", "yes"]}
    return [
        sample(
            **{"method": method, "seed": seed, "problem_id": f"p{i}", "group_id": f"g{i // 2}"},
            **{"answer": gold[i], "parsed": said, "score": float(said == gold[i])},
            **{"category": "first_order" if i > 3 else "propositional", "rule": f"rule_{i // 2}"},
        )
        for seed, row in parsed.items()
        for i, said in enumerate(row)
    ]


def run(tmp_path, *files):
    paths = [write_samples(tmp_path / f"{n}.parquet", some) for n, some in enumerate(files)]
    outputs = {name: str(tmp_path / f"{name}.csv") for name in ("accuracy", "categories")}
    estimate_scores.main(samples=paths, settings=SETTINGS, **outputs)
    return read_csv(outputs["accuracy"]), read_csv(outputs["categories"])


def cells(rows, key, field="estimate"):
    return {(row["metric"], row[key]): row[field] for row in rows}


def test_yes_no_task_has_all_metrics_over_seeds_and_per_seed(tmp_path):
    accuracy, _ = run(tmp_path, quiz())
    expected = {
        # over both seeds: 6 of 12 right; yes 5 of 6, no 1 of 6; 1 of 12 unparsed
        **{
            ("accuracy", "all"): "0.5",
            ("accuracy_yes", "all"): "0.833333",
            ("accuracy_no", "all"): "0.166667",
        },
        **{("balanced", "all"): "0.5", ("unparsed", "all"): "0.083333"},
        # seed 1: yes 3 of 3, no 1 of 3; seed 2: yes 2 of 3, no 0 of 3
        **{("accuracy", "1"): "0.666667", ("accuracy_yes", "1"): "1.0", ("accuracy_no", "1"): "0.333333"},
        **{("balanced", "1"): "0.666667", ("unparsed", "1"): "0.166667"},
        **{("accuracy", "2"): "0.333333", ("accuracy_yes", "2"): "0.666667", ("accuracy_no", "2"): "0.0"},
        **{("balanced", "2"): "0.333333", ("unparsed", "2"): "0.0"},
    }
    assert cells(accuracy, "seed") == expected


def test_seeds_of_a_problem_are_no_further_groups(tmp_path):
    accuracy, _ = run(tmp_path, quiz())
    sizes = {row["seed"]: (row["n"], row["groups"]) for row in accuracy if row["metric"] == "accuracy"}
    assert sizes == {"all": ("12", "3"), "1": ("6", "3"), "2": ("6", "3")}


def test_categories_and_rules_are_told_apart(tmp_path):
    _, categories = run(tmp_path, quiz())
    accuracy = {row["category"]: row["estimate"] for row in categories if row["metric"] == "accuracy"}
    # problems 0 to 3: 3 and 1 of 4 right; 4 and 5: 1 and 1 of 2; by rule 2 + 1, 1 + 0, 1 + 1 of 4
    assert accuracy == {
        **{"propositional": "0.5", "first_order": "0.5"},
        **{"rule:rule_0": "0.75", "rule:rule_1": "0.25", "rule:rule_2": "0.5"},
    }
    lone = next(row for row in categories if row["category"] == "first_order")
    assert (lone["groups"], lone["low"], lone["high"], lone["interval"]) == ("1", "", "", "n/a (1 group)")


def test_missing_gold_answer_of_a_category_has_its_reason(tmp_path):
    only_yes = [s for s in quiz() if s.rule != "rule_2" or s.answer == "yes"]
    _, categories = run(tmp_path, only_yes)
    rows = {row["metric"]: row for row in categories if row["category"] == "rule:rule_2"}
    assert (rows["accuracy_no"]["n"], rows["accuracy_no"]["estimate"]) == ("0", "")
    assert rows["accuracy_no"]["interval"] == "n/a (no answers)"
    assert (rows["balanced"]["estimate"], rows["balanced"]["interval"]) == ("", "n/a (one gold answer)")


def test_task_without_yes_and_no_has_accuracy_only(tmp_path):
    answers = [sample(answer=a, parsed="a", score=float(a == "a"), group_id=a) for a in ("a", "b")]
    accuracy, categories = run(tmp_path, answers)
    assert cells(accuracy, "seed") == {("accuracy", "all"): "0.5", ("accuracy", "1"): "0.5"}
    assert {row["metric"] for row in categories} == {"accuracy"}


def test_methods_stand_in_the_order_given_and_do_not_move_each_other(tmp_path):
    both, _ = run(tmp_path, quiz("sft"), quiz("dpo"))
    alone, _ = run(tmp_path, quiz("dpo"))
    assert list(dict.fromkeys(row["method"] for row in both)) == ["sft", "dpo"]
    assert [row for row in both if row["method"] == "dpo"] == alone


def test_means_over_all_seeds_tell_how_far_the_seeds_differ(tmp_path):
    accuracy, categories = run(tmp_path, quiz())
    found = {(row["metric"], row["seed"]): tuple(row[name] for name in SPREAD) for row in accuracy}
    # Accuracy 2/3 and 1/3, of yes 1 and 2/3, of no 1/3 and 0: 1/3 apart, so each sd is 1/3 / sqrt(2);
    # unparsed 1/6 and 0. Balanced accuracy is no mean over answers, and one seed has no spread.
    sds = {metric: cells[:2] for (metric, seed), cells in found.items() if seed == "all"}
    assert sds == {
        **dict.fromkeys(("accuracy", "accuracy_yes", "accuracy_no"), ("2", "0.235702")),
        **{"unparsed": ("2", "0.117851"), "balanced": ("", "")},
    }
    low, high = map(float, found["accuracy", "all"][2:])
    assert low < 0.5 < high and high - low > 2 * 1.96 * 0.235702 / 2**0.5  # at least what the seeds alone ask
    assert {cells for (_, seed), cells in found.items() if seed != "all"} == {("",) * 4}
    assert not set(SPREAD) & set(categories[0])
