"""Contamination: shares of n-grams by hand, and which training row has them."""

import pytest

from workflow.lib.parquet import write_parquet
from workflow.lib.records import Overlap, Problem, group_id, load, problem_id, table
from workflow.scripts.find_contamination import main

SETTINGS = {"words": 3, "share": 0.5}


def problem(dataset: str, question: str) -> Problem:
    return Problem(
        problem_id=problem_id(dataset, question),
        group_id=group_id(dataset, question),
        dataset=dataset,
        category="propositional",
        rule="modus_tollens",
        context="",
        question=question,
        choices=[],
        answer="yes",
        verifier="gold",
        instance="",
        planted="",
        source="file row 1",
    )


TRAIN = [problem("logic", "a b c d e f"), problem("logic", "c d e f g h"), problem("logic", "k l")]
TESTS = {
    "A B, C d x y": (0.5, 0),  # of abc bcd cdx dxy the first two, both in row 0
    "c d e f g": (1.0, 0),  # cde def efg: row 0 was met first with two of them, row 1 has the third
    "p q r": (0.0, None),
    "k l": (1.0, 2),  # shorter than an n-gram: all of it
}


def find(folder, train=TRAIN) -> dict[str, Overlap]:
    write_parquet(folder / "train.parquet", table(train, Problem))
    tests = [problem("bench", text) for text in TESTS]
    write_parquet(folder / "bench.parquet", table(tests[:2], Problem))
    write_parquet(folder / "other.parquet", table(tests[2:], Problem))
    paths = {"train": str(folder / "train.parquet"), "contamination": str(folder / "found.parquet")}
    main(**paths, tests=[str(folder / "bench.parquet"), str(folder / "other.parquet")], settings=SETTINGS)
    found = {row.problem_id: row for row in load(paths["contamination"], Overlap)}
    return {p.question: found[p.problem_id] for p in tests}


def test_shares_by_hand(tmp_path):
    found = find(tmp_path)
    assert {text: row.share for text, row in found.items()} == {t: share for t, (share, _) in TESTS.items()}
    assert [row.contaminated for row in found.values()] == [True, True, False, True]


@pytest.mark.parametrize("text", TESTS)
def test_the_training_row_is_named(tmp_path, text):
    row = TESTS[text][1]
    assert find(tmp_path)[text].example == ("" if row is None else TRAIN[row].problem_id)


def test_an_empty_training_split_contaminates_nothing(tmp_path):
    assert not any(row.contaminated or row.share for row in find(tmp_path, []).values())
