"""What a card says in sentences, on problems written by hand."""

import json
import random

import pytest

from tests.dataset_problems import asked, three_questions
from workflow.lib.artefacts import MOST_NAMES, differing_words, examples, findings, traits
from workflow.lib.baselines import baselines

ROWS = [problem for number in range(1, 41) for problem in three_questions(number)]


def test_a_rule_above_the_best_constant_answer_is_told() -> None:
    place, words, balance = findings(baselines(ROWS[:60], ROWS[60:]), traits(ROWS))
    # Twenty groups that agree: at least 0.025 ** (1 / 20) = 83.2 %; "no" is right on 40 of 60. With 2/3 in
    # each group the constant answer has the bound 2/3 * 0.832 = 55.4 %, above the guess.
    assert place == (
        "The first question of a context is 'yes' and the rest 'no': a rule that looks at nothing else is "
        "right in 100.0\u202f% [83.2, 100.0] of 60 test problems; the best constant answer in 66.7\u202f%."
    )
    assert balance.startswith(
        "The answers are not in balance: the most frequent one is right in 66.7\u202f% [55.4"
    )
    assert words.startswith("The words of the question tell the answer without the context: a rule")


def test_few_groups_prove_nothing() -> None:
    assert findings(baselines(ROWS[:60], ROWS[-57:]), traits(ROWS)) == []  # 19 groups


def test_answers_out_of_balance_are_told() -> None:
    # 100 groups, of which 20 have "yes": 0.8 with a standard error of 0.04
    rows = [asked(f"context {i}", f"question {i}", "no" if i % 5 else "yes") for i in range(100)]
    (told,) = findings(baselines([], rows), traits(rows))
    assert told.startswith("The answers are not in balance: the most frequent one is right in 80.0\u202f% [")
    assert told.endswith("] of 100 test problems; a guess in 50.0\u202f%.")


def test_rows_without_artefacts_have_no_findings() -> None:
    rows = [asked(f"context {i}", f"question {i}", "no" if i % 2 else "yes") for i in range(100)]
    assert findings(baselines(rows[:50], rows[50:]), traits(rows)) == []
    assert findings([], traits([])) == []


def test_groups_in_several_files_categories_and_rules_are_counted() -> None:
    rows = [
        asked("Both", "q1", "yes", source="bqa.json row 1 question 1"),
        asked("both ", "q2", "yes", source="mcqa.json row 9"),
        asked("both", "q3", "yes", source="aug.json row 2", rule="commutation"),
        asked("one", "q1", "yes", source="bqa.json row 2 question 1"),
        asked("one", "q2", "yes", source="bqa.json row 2 question 2", rule="commutation"),
        asked("alone", "q1", "yes", source="mcqa.json row 4"),
    ]
    for seed in range(4):
        found = traits(random.Random(seed).sample(rows, len(rows)))
        assert found.groups == 3
        assert found.in_several == {"file": 1, "category": 0, "rule": 2}
        assert found.files == ["aug.json", "bqa.json"]  # the first two of three by name
    assert findings([], found) == [
        "1 of 3 groups (problems about one text) is in more than one file, most often in aug.json and "
        "bqa.json: a model that trains on one file has read what the other asks about.",
        "2 of 3 groups (problems about one text) are in more than one rule: results by rule hang together.",
    ]


def test_the_two_files_that_share_most_groups_are_named() -> None:
    places = [("one", "a", "b"), ("two", "a", "c"), ("three", "c", "a"), ("four", "b", "c")]
    rows = [asked(text, f"in {f}", "yes", source=f"{f}.json row 1") for text, *files in places for f in files]
    assert traits(rows).files == ["a.json", "c.json"]


@pytest.mark.parametrize(
    ("left", "right", "number"),
    [
        ("use wet sand", "use dry sand", 1),
        ("use wet sand", "use wet sand", 0),
        ("use wet sand", "use sand", None),
        ("wet sand", "sand wet", 2),
    ],
)
def test_words_are_compared_by_place(left: str, right: str, number: int | None) -> None:
    assert differing_words(left.split(), right.split()) == number


def test_one_word_pairs_leave_out_labels_and_more_than_two_choices() -> None:
    rows = [
        asked("", "g1", "use wet sand", ("use wet sand", "use dry sand")),
        asked("", "g2", "take the cat out", ("take the cat out", "take the cat")),
        asked("", "g3", "yes"),
        asked("", "g4", "a b", ("a b", "a c", "a d")),
    ]
    found = traits(rows)
    assert (found.pairs, found.one_word_pairs) == (2, 1)
    assert findings([], found) == [
        "In 1 of 2 problems (50.0\u202f%) the two choices differ in exactly one word."
    ]


def test_two_names_of_one_answer_are_told() -> None:
    labels = ("true", "false", "uncertain")

    def named(file: str, name: str, answer: str):
        return asked(
            f"{file} {name}",
            "q",
            answer,
            labels,
            source=f"{file} row 1",
            instance=json.dumps({"label": name}),
        )

    rows = [
        *(named("train.jsonl", name, name.lower()) for name in ("True", "False")),
        named("train.jsonl", "Unknown", "uncertain"),
        *(named("dev.jsonl", name, name.lower()) for name in ("True", "False")),
        named("dev.jsonl", "Uncertain", "uncertain"),
        named("few.jsonl", "True", "true"),  # a part of the others' names: no sign of a second name
    ]
    found = traits(rows)
    assert found.answers["dev.jsonl"] == {"False": 1, "True": 1, "Uncertain": 1}
    assert findings([], found) == [
        "The answers have different names in dev.jsonl (False, True and Uncertain) and in train.jsonl "
        "(False, True and Unknown): one answer may go by two names."
    ]


def test_files_with_many_different_answers_have_no_label_names() -> None:
    rows = [asked("c", f"q{i}", f"answer {i}", (), source="free.jsonl row 1") for i in range(MOST_NAMES)]
    assert len(traits(rows).answers["free.jsonl"]) == MOST_NAMES
    more = [*rows, *rows, asked("c", "q", "one more", (), source="free.jsonl row 1")]
    assert traits(more).answers == {}
    verified = [asked("c", "q", "a, b", (), verifier="ordering")]
    assert traits(verified).answers == {}


def test_examples_depend_on_the_seed_and_on_no_other_row() -> None:
    chosen = examples(ROWS, seed=1, number=5)
    assert len({example["problem_id"] for example in chosen}) == 5
    assert chosen == examples(reversed(ROWS), seed=1, number=5) != examples(ROWS, seed=2, number=5)
    assert asked(**{k: chosen[0][k] for k in ("context", "question", "answer", "choices", "source")}) in ROWS
    gone = [problem for problem in ROWS if problem.problem_id != chosen[2]["problem_id"]]
    assert examples(gone, seed=1, number=4) == chosen[:2] + chosen[3:]
