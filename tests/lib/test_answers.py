"""Answers in text: which one counts, which choice it names, and what cannot be read."""

import json
import time

import pytest

from workflow.lib.answers import answer_in_json, judge, last_answer, last_lines, parse_choice, read_alike

CASES = [
    ("plain", "So it is. Therefore the answer is yes.", "yes"),
    ("capital and mark", "The Answer is: **No**!", "no"),
    ("the last one counts", "The answer is yes. No, wait: the answer is no.", "no"),
    ("with a reason behind", "Answer: yes, because it rains", "yes"),
    ("letter", "The answer is (B).", "no"),
    ("inside thought does not count", "<think>the answer is yes</think> The answer is no.", "no"),
    ("opening tag eaten", "the answer is yes</think> The answer is no.", "no"),
    ("nothing stated", "It follows that it rains, yes.", None),
    ("neither", "The answer is maybe.", None),
    ("a word that only starts alike", "The answer is nothing.", None),
    ("empty", "", None),
    ("cut off", "Therefore the answer is", None),
]


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_parse_choice(text, expected):
    assert parse_choice(text, ["yes", "no"]) == expected


def test_a_solution_is_named_by_its_text():
    solutions = ["Blow into trash bag and tie with rubber band.", "Blow into tin can."]
    assert parse_choice(f"The answer is {solutions[1]}", solutions) == solutions[1]


def test_unparsed_is_not_no():
    found = judge("Who knows.", choices=["yes", "no"], answer="no", verifier="gold", instance="")
    assert found.parsed is None and not found.right


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("The answer is Ann, Bob, Cy.", True),
        ("The answer is Ann, Cy, Bob.", True),
        ("The answer is Bob, Ann, Cy.", False),  # Ann must come before Bob
        ("The answer is Ann, Bob.", False),  # one is missing
        ("The answer is Ann, Ann, Bob, Cy.", False),  # one stands twice
        ("Ann, Bob, Cy", False),  # nothing is stated
    ],
)
def test_a_verifier_accepts_every_solution_and_nothing_else(text, right):
    instance = json.dumps({"names": ["Ann", "Bob", "Cy"], "before": [["Ann", "Bob"]]})
    found = judge(text, choices=[], answer="Ann, Bob, Cy", verifier="ordering", instance=instance)
    assert found.right is right


def test_last_answer_keeps_the_words():
    assert last_answer("Answer: Paris.\nThe end") == "Paris"


SAID = [
    ("as it is", "The answer is Fiona is big.", "Fiona is big."),
    ("without the dot", "So the answer is fiona is big", "Fiona is big."),
    ("spacing", "The answer is: Fiona  is big!", "Fiona is big."),
    ("two sentences", "The answer is Ann sings. Bob runs.", "Ann sings. Bob runs."),
]


@pytest.mark.parametrize(("text", "gold"), [s[1:] for s in SAID], ids=[s[0] for s in SAID])
def test_free_text_is_compared_without_case_spacing_and_end_marks(text, gold):
    found = judge(text, choices=[], answer=gold, verifier="gold", instance="")
    assert found.right and found.parsed == gold  # one canonical form, so that votes for it add up


@pytest.mark.parametrize(
    ("text", "gold", "parsed"),
    [
        ("The answer is Fiona is not big.", "Fiona is big.", "Fiona is not big"),
        ("The answer is brother-in-law.", "brother", "brother-in-law"),  # a first word is not enough
        ("The answer is A.", "Fiona is big.", "A"),  # there is no list to which a letter could point
        ("Fiona is big.", "Fiona is big.", None),  # nothing is stated
    ],
)
def test_other_free_text_is_wrong(text, gold, parsed):
    found = judge(text, choices=[], answer=gold, verifier="gold", instance="")
    assert not found.right and found.parsed == parsed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The answer is The answer is not known.", "The answer is not known."),
        ("The answer is (B)", "It is known."),
        ("The answer is not known. No: the answer is maybe.", None),
    ],
)
def test_a_choice_may_have_the_words_that_state_an_answer(text, expected):
    assert parse_choice(text, ["The answer is not known.", "It is known."]) == expected


def test_choices_that_read_alike():
    assert read_alike(["It rains.", "it  rains"]) and read_alike(["a", "a"])
    assert not read_alike(["It rains.", "It rains not."]) and not read_alike([])


JSON_CASES = [
    ("as asked", '{"reasoning": "It is so.", "answer": "yes"}', "yes"),
    (
        "fenced and on several lines",
        'Here:\n```json\n{\n  "reasoning": "a\nb",\n  "answer": "No"\n}\n```',
        "no",
    ),
    ("a letter", '{"answer": "(B)"}', "no"),
    ("the words inside do not count", '{"reasoning": "I say the answer is no.", "answer": "yes"}', "yes"),
    ("nor those behind the key", '{"answer": "yes", "reasoning": "so the answer is no"}', "yes"),
    ("the last object counts", '{"answer": "yes"} No: {"answer": "no"}', "no"),
    ("what is said after it counts", '{"answer": "yes"} No, the answer is no.', "no"),
    ("what is said before it does not", 'The answer is no. {"answer": "yes"}', "yes"),
    ("objects without the key do not count", '{"answer": "yes"} {"note": "no"}', "yes"),
    ("an inner object is no answer", '{"answer": "yes", "more": {"answer": "no"}}', "yes"),
    ("braces that are no JSON", 'In {1, 2} \\boxed{x}: {"answer": "no"}', "no"),
    ("inside thought does not count", '<think>{"answer": "yes"}</think>{"answer": "no"}', "no"),
    ("null is nothing", '{"reasoning": "the answer is yes", "answer": null}', None),
    ("cut", '{"reasoning": "the answer is yes", "answer": "no', None),
    ("the last one cut", '{"answer": "yes"} or {"answer": "no', None),
    ("only the word", '"answer" is a key; yes', None),
]


@pytest.mark.parametrize(("text", "expected"), [c[1:] for c in JSON_CASES], ids=[c[0] for c in JSON_CASES])
def test_an_answer_in_json(text, expected):
    assert parse_choice(text, ["yes", "no"]) == expected


def test_values_that_are_no_strings_are_as_json_writes_them():
    assert last_answer('{"answer": 7}') == "7" and last_answer('{"answer": 0.5}') == "0.5"
    assert last_answer('{"answer": true}') == "true"
    assert parse_choice('{"answer": true}', ["yes", "no"]) is None  # it was asked for one of the options
    assert answer_in_json('x {"answer": ["a"]} y') == (19, '["a"]')


def test_an_answer_in_json_may_take_several_lines():
    assert last_lines('{"answer": "1 2\\n3 4"}') == "1 2\n3 4"


def test_hostile_braces_end_soon():
    started = time.process_time()
    assert last_answer('{"a":' * 20_000 + '"answer": 1') is None
    assert last_answer("{" * 100_000 + '"answer":') is None
    assert time.process_time() - started < 1
