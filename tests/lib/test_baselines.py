"""Rules that do not reason, on problems written by hand: every accuracy is counted in the test."""

import random
from dataclasses import replace

import pytest

from tests.dataset_problems import asked, three_questions
from workflow.lib import baselines as module
from workflow.lib.baselines import Baseline, baselines, file_of, question_number
from workflow.lib.records import Problem

CONTEXTS = [problem for number in range(1, 21) for problem in three_questions(number)]  # 20 of 3 questions
TRAIN, TEST = CONTEXTS[:30], CONTEXTS[30:]


def by_name(train: list[Problem], test: list[Problem]) -> dict[str, Baseline]:
    """Return the baselines by their names, which differ."""
    found = baselines(train, test)
    named = {baseline.name: baseline for baseline in found}
    assert len(named) == len(found)
    return named


def options(number: int, *choices: str, right: int = 0) -> Problem:
    """Return a problem with options of its own."""
    return asked("", f"goal {number}", choices[right], choices, source=f"b.jsonl row {number}")


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("most frequent answer of test", 20),  # "no" to two of three
        ("most frequent answer of train", 20),
        ("always no", 20),
        ("first question yes", 30),
        ("negation in the question", 20),  # wrong on the third: it negates nothing
        ("words of the question", 30),  # every kind of question has words of its own
    ],
)
def test_a_rule_is_right_as_often_as_counted_by_hand(name: str, right: int) -> None:
    found = by_name(TRAIN, TEST)[name]
    assert (found.n, found.groups) == (30, 10)
    assert found.accuracy == pytest.approx(right / 30)
    assert found.chance == pytest.approx(1 / 2)
    assert found.majority == pytest.approx(20 / 30)


def test_the_context_alone_tells_nothing_of_questions_with_both_answers() -> None:
    found = by_name(TRAIN, TEST)["words of the context"]
    assert (
        found.accuracy <= found.majority
    )  # one answer to each context: at best "no" to all of its questions


def test_the_interval_is_over_groups() -> None:
    # Ten groups that agree: at most 1 - 0.025 ** (1 / 10) of all groups can differ (Clopper and Pearson).
    found = by_name(TRAIN, TEST)["first question yes"]
    assert (found.low, found.high) == (pytest.approx(0.025**0.1), 1.0)
    assert found.interval == "95% bound (constant)"
    mixed = TEST + [replace(p, answer="yes") for number in range(30, 40) for p in three_questions(number)]
    found = by_name(TRAIN, mixed)["first question yes"]
    # Half of the 20 groups score 1, half 1/3: standard error of the mean 1/3 / sqrt(20) = 0.075.
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.low == pytest.approx(2 / 3 - 1.96 * 0.0745, abs=0.03)
    assert found.high == pytest.approx(2 / 3 + 1.96 * 0.0745, abs=0.03)


def test_labels_of_other_names_affirm_and_deny_too() -> None:
    labels = ("True", "False", "Unknown")
    test = [asked(f"c{i}", f"is it not {i}", "False", labels) for i in range(12)]
    found = by_name([], test)
    assert found["always no"].accuracy == found["negation in the question"].accuracy == 1.0
    assert found["always no"].chance == pytest.approx(1 / 3)
    assert "first question yes" not in found  # the rows do not tell which question of a context they are


def test_each_set_of_labels_has_its_own_most_frequent_answer() -> None:
    train = [asked(f"c{i}", "q", "no") for i in range(10)]
    train += [asked(f"d{i}", "q", "b", ("a", "b")) for i in range(10)]
    test = [asked("e", "q", "no"), asked("f", "q", "b", ("a", "b")), asked("g", "q", "a", ("b", "a"))]
    found = by_name(train, test)["most frequent answer of train"]
    assert found.accuracy == pytest.approx(2 / 3)


def test_free_answers_have_a_most_frequent_one_and_no_chance() -> None:
    train = [asked(f"c{i}", "q", "Anne is kind" if i else "Bob is big", ()) for i in range(3)]
    test = [asked("d", "q", "Anne is kind", ()), asked("e", "q", "Anne is round", ())]
    (found,) = baselines(train, test)
    assert (found.name, found.accuracy, found.chance) == ("most frequent free answer of train", 0.5, None)


def test_options_by_place_length_and_words() -> None:
    train = [options(i, f"use a spoon for {i}", f"use wet sand {i}", right=i % 4 == 0) for i in range(40)]
    test = [options(i, f"take wet sand {i}", f"take a spoon {i}", right=1) for i in range(100, 110)]
    found = by_name(train, test)
    assert found["place of the option"].accuracy == 0.0  # the first is right in 30 of 40 of train
    assert found["words of the options"].accuracy == 1.0  # "spoon" is right in 30 of 40 of train
    # "take a spoon 100" and "take wet sand 100" have 16 and 17 characters
    assert found["shortest option"].accuracy == 1.0
    assert found["longest option"].accuracy == 0.0
    assert found["longest option"].majority == 1.0  # the second place is right everywhere
    assert "always no" not in found and "most frequent answer of test" not in found


def test_a_tie_scores_the_chance_to_hit() -> None:
    found = by_name([], [options(1, "aa", "bb", "cccc"), options(2, "aa", "bb", "cccc", right=2)])
    assert found["shortest option"].accuracy == pytest.approx((1 / 2 + 0) / 2)
    assert found["longest option"].accuracy == pytest.approx((0 + 1) / 2)


def test_what_train_does_not_have_is_guessed() -> None:
    train = [asked(f"c{i}", "q", "no") for i in range(10)]
    test = [asked(f"e{i}", "q", "a", ("a", "b", "c", "d")) for i in range(12)]
    assert by_name(train, test)["most frequent answer of train"].accuracy == pytest.approx(1 / 4)
    assert by_name([*train, asked("d", "q", "yes")], test)["words of the question"].accuracy == pytest.approx(
        1 / 4
    )


def test_without_train_only_rules_that_learn_nothing_are_left() -> None:
    assert [baseline.name for baseline in baselines([], TEST)] == [
        *("most frequent answer of test", "always no", "first question yes", "negation in the question"),
    ]
    one_answer = [problem for problem in TRAIN if problem.answer == "no"]
    assert "words of the question" not in by_name(one_answer, TEST)  # nothing to tell apart


def test_problems_without_gold_are_left_out() -> None:
    verified = [asked("", f"order {i}", "a, b", (), verifier="ordering") for i in range(5)]
    assert baselines(verified, verified) == []
    assert baselines(TRAIN, []) == []
    assert by_name(TRAIN, TEST + verified)["always no"].n == 30


def test_the_order_of_the_rows_does_not_matter() -> None:
    train = TRAIN + [options(i, f"short {i}", f"not as short {i}", right=i % 2) for i in range(20)]
    test = TEST + [options(i, f"short {i}", f"not as short {i}", right=i % 3 == 0) for i in range(20, 40)]
    expected = baselines(train, test)
    assert len(expected) == 11
    for seed in range(3):
        shuffled = [random.Random(seed).sample(rows, len(rows)) for rows in (train, test)]
        assert baselines(*shuffled) == expected


def test_of_many_rows_those_with_the_first_identifiers_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 12)
    by_id = sorted(TEST, key=lambda problem: problem.problem_id)
    test = [
        replace(problem, answer="no" if place < 12 else "yes", source=f"a.json row {99 - place}")
        for place, problem in enumerate(by_id)
    ]
    found = by_name(iter(TRAIN), iter(test))["always no"]
    assert (found.n, found.accuracy) == (12, 1.0)


def test_contexts_of_one_question_have_no_first_one() -> None:
    single = [problem for problem in TEST if problem.source.endswith("question 1")]
    assert "first question yes" not in by_name([], single)
    assert by_name([], TEST)["first question yes"].n == 30


@pytest.mark.parametrize(
    ("source", "file", "number"),
    [
        ("BQA/a.json row 3 question 2", "BQA/a.json", 2),
        ("valid.jsonl row 17", "valid.jsonl", None),
        ("a row 1 question 9.json row 3 question 12", "a row 1 question 9.json", 12),
        ("hub", "hub", None),
    ],
)
def test_file_and_number_of_a_question_are_read_from_its_source(
    source: str, file: str, number: int | None
) -> None:
    assert (file_of(source), question_number(source)) == (file, number)


@pytest.mark.parametrize("question", ["Isn't it?", "Is it not?", "Can nobody go?", "Isn’t it so", "NO?"])
def test_negations_are_seen(question: str) -> None:
    assert module.NEGATION.search(question)


@pytest.mark.parametrize("question", ["Is it noted?", "Does Norman know?", "Is the knot tied?"])
def test_words_that_only_look_like_negations_are_not(question: str) -> None:
    assert not module.NEGATION.search(question)
