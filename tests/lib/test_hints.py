"""Which problems are asked again with the answer, and which texts give away that it was known."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.lib.test_examples import problem
from tests.lib.test_tournament import NO, YES, row
from workflow.lib.errors import DataError
from workflow.lib.files import write_jsonl
from workflow.lib.hints import failed_problems, mentions_hint, read_hinted, told_by_hint
from workflow.lib.verification import verify

SPEAKING = [
    "The hint says yes, so the answer is yes.",
    "As hinted, it rained.",
    "Using the hints above, the answer is (B).",
    "We are told that the answer is yes.",
    "Since we know that the correct answer is no, Ann ran.",
    "The correct answer is given: yes. The answer is yes.",
    "Working backwards from the answer, Ann ran. The answer is yes.",
    "To justify the given answer: Ann ran.",
    "Given that the answer is yes, Ann must have run.",
]
SILENT = [
    "Ann ran, so she is tired. The answer is yes.",
    "Given the context, Ann ran. The right answer is (B).",
    "We are told that Ann ran. We know that she is tired. The correct answer is yes.",
    "It is given that it rains. Therefore the final answer is no.",
    "The hinterland is far. Chintz is a cloth. The answer is no.",
    '{"reasoning": "Ann ran.", "answer": "yes"}',
]


@pytest.mark.parametrize("text", SPEAKING)
def test_texts_that_speak_of_the_hint(text: str) -> None:
    assert mentions_hint(text) and mentions_hint(f"<think>{text}</think>It is so.")


@pytest.mark.parametrize("text", SILENT)
def test_texts_that_do_not(text: str) -> None:
    assert not mentions_hint(text)


def test_failed_are_the_asked_problems_with_gold_that_nobody_got_right() -> None:
    problems = [problem(key) for key in ("solved", "wrong", "unread", "cut", "later", "unasked")]
    puzzle = replace(
        problem("puzzle"), answer=None, verifier="ordering", instance='{"names": [], "before": []}'
    )
    rows = [
        *[row(NO, "solved"), row(YES, "solved", 1), row(NO, "solved", 2)],
        *[row(NO, "wrong"), row(NO, "wrong", 1)],
        row("Hm.", "unread"),
        replace(row(YES, "cut"), finish_reason="length"),
        *[row(NO, "later"), replace(row(YES, "later"), teacher="u")],  # another teacher knows
        row("Hm.", "puzzle"),
        row(NO, "of dev"),
    ]
    assert [p.problem_id for p in failed_problems([*problems, puzzle], rows)] == ["wrong", "unread", "cut"]


def test_hinted_samples_do_not_vote_and_those_that_speak_of_the_hint_are_neither_right_nor_wrong() -> None:
    problems = {"a": problem("a")}
    asked = [row(NO, "a", i) for i in range(3)]
    told = [
        row("Ann ran.\nThe answer is yes.", "a", 0, "hinted"),
        row("By the hint, Ann ran.\nThe answer is yes.", "a", 1, "hinted"),
        row("The answer is yes. For Ann ran.", "a", 2, "hinted"),  # it knew before it reasoned
        row("Ann ran.\nThe answer is no.", "a", 3, "hinted"),
    ]
    found = told_by_hint(verify([*asked, *told], problems, 0.6, "hinted"), "hinted")
    assert [r.verdict for r in found] == ["wrong"] * 3 + ["right", "leaked", "leaked", "wrong"]
    assert {(r.vote_share, r.ambiguous) for r in found} == {(1.0, False)}  # all three asked said no
    assert [r.leaked for r in found[3:]] == [False, True, True, False]


def test_without_such_a_round_nothing_changes() -> None:
    rows = verify([row("The hint says so.\nThe answer is yes.", "a")], {"a": problem("a")}, 0.6, None)
    assert told_by_hint(rows, None) == rows and rows[0].verdict == "right"


def test_hinted_samples_are_of_train(tmp_path: Path) -> None:
    rows = [replace(row(YES, key, i), split="train") for key, i in (("b", 0), ("a", 1), ("a", 0))]
    path = str(tmp_path / "hinted-0.jsonl")
    write_jsonl(path, map(asdict, rows))
    found = read_hinted([path], {"a": "train", "b": "train"})
    assert [(r.problem_id, r.index) for r in found] == [("a", 0), ("a", 1), ("b", 0)]
    with pytest.raises(DataError, match=r"hinted rationale b/t/cot/0: not of a problem of train"):
        read_hinted([path], {"a": "train", "b": "dev"})
