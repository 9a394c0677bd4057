"""The table of paired comparisons against counts made by hand."""

import pytest

from tests.hand_samples import SETTINGS, sample, write_samples
from workflow.lib.errors import DataError, IntegrityError
from workflow.lib.files import read_csv
from workflow.scripts import compare_methods

SCORES = {  # of eight problems, each a group
    "base": [1, 0, 0, 0, 0, 0, 0, 1],
    "sft": [1, 1, 1, 1, 0, 0, 0, 0],
    "dpo": [1, 1, 1, 1, 1, 1, 1, 1],
    "ppo": [1, 1, 0, 0, 0, 0, 0, 1],
}
TASKS = {"quiz": {"dataset": "logic"}, "exam": {"dataset": "school"}}
PRIMARY = {"task": "quiz", "method": "dpo", "against": "base"}


def answers(method, task="quiz", scores=None):
    return [
        sample(method=method, task=task, problem_id=f"p{i}", group_id=f"g{i}", score=float(score))
        for i, score in enumerate(scores or SCORES[method])
    ]


def run(tmp_path, files, primary=PRIMARY):
    paths = [write_samples(tmp_path / f"{n}.parquet", some) for n, some in enumerate(files)]
    deltas = tmp_path / "deltas.csv"
    compare_methods.main(samples=paths, deltas=str(deltas), settings=SETTINGS, primary=primary, tasks=TASKS)
    return read_csv(deltas)


def by_pair(rows, *fields):
    return {(row["method"], row["against"]): tuple(row[field] for field in fields) for row in rows}


def test_every_method_against_base_and_sft(tmp_path):
    rows = run(tmp_path, [answers(method) for method in SCORES])
    # sft - base: 4/8 - 2/8; dpo - base: 8/8 - 2/8; ppo - base: 3/8 - 2/8; against sft: 4/8 and -1/8;
    # a group has one problem, so answers are gained and lost as groups are
    assert by_pair(rows, "delta", "gained", "lost", "better", "worse", "n", "groups") == {
        ("sft", "base"): ("0.25", "3", "1", "3", "1", "8", "8"),
        ("dpo", "base"): ("0.75", "6", "0", "6", "0", "8", "8"),
        ("ppo", "base"): ("0.125", "1", "0", "1", "0", "8", "8"),
        ("dpo", "sft"): ("0.5", "4", "0", "4", "0", "8", "8"),
        ("ppo", "sft"): ("-0.125", "1", "2", "1", "2", "8", "8"),
    }


def test_families_are_corrected_apart(tmp_path):
    rows = run(tmp_path, [answers(method) for method in SCORES])
    # exact signs: 3 to 1 has 2 * (1 + 4) / 16 = 0.625, 6 to 0 has 2 / 64, 1 to 0 has 1, 4 to 0 has 2 / 16;
    # against base Holm multiplies by 3, 2, 1, against sft by 2, 1.
    assert by_pair(rows, "p_mcnemar", "p_holm") == {
        ("sft", "base"): ("0.625", "1.0"),
        ("dpo", "base"): ("0.03125", "0.09375"),
        ("ppo", "base"): ("1.0", "1.0"),
        ("dpo", "sft"): ("0.125", "0.25"),
        ("ppo", "sft"): ("1.0", "1.0"),
    }


def test_other_task_is_another_family(tmp_path):
    files = [answers(method) for method in SCORES]
    twice = run(tmp_path, [*files, *(answers(method, "exam") for method in SCORES)])
    assert [row for row in twice if row["task"] == "quiz"] == run(tmp_path, files)
    # the samples are of policies that learned from logic, which quiz asks and exam does not
    assert {(row["task"], row["trained"]) for row in twice} == {("quiz", "true"), ("exam", "false")}


def test_only_the_primary_comparison_is_marked(tmp_path):
    rows = run(tmp_path, [answers(method) for method in SCORES])
    assert by_pair([r for r in rows if r["primary"] == "true"], "task") == {("dpo", "base"): ("quiz",)}
    assert {row["primary"] for row in rows} == {"true", "false"}


def test_detectable_difference_is_given_where_there_is_a_standard_error(tmp_path):
    rows = by_pair(run(tmp_path, [answers(method) for method in SCORES]), "detectable", "low", "high")
    # six of eight differences are 1: standard error about sqrt(0.75 * 0.25 / 8) = 0.153, times 2.80
    assert float(rows["dpo", "base"][0]) == pytest.approx(2.8016 * 0.153, rel=0.12)
    same = run(tmp_path, [answers("base"), answers("dpo", scores=SCORES["base"])])[0]
    assert (same["delta"], same["detectable"], same["p_mcnemar"]) == ("0.0", "", "1.0")
    assert float(same["low"]) < 0 < float(same["high"])


def test_study_without_sft_compares_with_base_only(tmp_path):
    rows = run(tmp_path, [answers("base"), answers("dpo")])
    assert list(by_pair(rows)) == [("dpo", "base")]


def test_primary_that_was_not_run_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"study\.primary.*'quiz', 'dpo', 'base'.*'orpo'"):
        run(tmp_path, [answers("base"), answers("dpo")], PRIMARY | {"method": "orpo"})


def test_answer_without_a_partner_is_an_error(tmp_path):
    with pytest.raises(IntegrityError, match="8 and 7 rows, 1 without a partner"):
        run(tmp_path, [answers("base")[:7], answers("dpo")])
