"""The quality of one rationale: every measure by a table of texts made by hand."""

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.lib.test_verification import PROBLEM, sample
from workflow.lib.claims import claim_of
from workflow.lib.signals import (
    FLAGS,
    Limits,
    conclusion_agrees,
    flags_of,
    leaked,
    read,
    repetition,
)
from workflow.lib.verification import verify

YES_NO = ["yes", "no"]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("The answer is yes.", [], id="only the answer"),
        pytest.param(
            "Ann hikes. So she rides. The answer is yes.", ["Ann hikes.", "So she rides."], id="sentences"
        ),
        pytest.param("Ann hikes\n\nshe rides\nAnswer: yes", ["Ann hikes", "she rides"], id="lines"),
        pytest.param(
            "1. Ann hikes.\n2. She rides.\nStep 3:\nDone", ["Ann hikes.", "She rides.", "Done"], id="list"
        ),
        pytest.param("It costs 3.50 dollars. a) Yes", ["It costs 3.50 dollars.", "a) Yes"], id="a number"),
        pytest.param("<think>Ann hikes.</think>She rides.", ["Ann hikes.", "She rides."], id="thought"),
        pytest.param("So 3 + 4 = 7.\n\\boxed{7}", ["So 3 + 4 = 7."], id="a box is no step"),
        pytest.param('{"why": "Ann hikes", "answer": "yes"}', ['{"why": "Ann hikes"'], id="JSON"),
        pytest.param("**Answer**: yes", [], id="bold"),
        pytest.param("Ann knows the answers.", ["Ann knows the answers."], id="the word alone"),
    ],
)
def test_steps(text: str, steps: list[str]) -> None:
    assert read(text).steps == steps


@pytest.mark.parametrize(
    ("text", "share"),
    [
        pytest.param("", 0.0, id="nothing"),
        pytest.param("a b c", 0.0, id="no 4-gram"),
        pytest.param("a b c d e f", 0.0, id="each once"),
        pytest.param("a b c d a b c d", 1 / 5, id="abcd bcda cdab dabc abcd"),
        pytest.param("A b, c d. a B c D!", 1 / 5, id="case and marks do not count"),
        pytest.param("a a a a a a a", 3 / 4, id="four times the same"),
        pytest.param("so " * 103, 99 / 100, id="a loop"),
    ],
)
def test_repetition(text: str, share: float) -> None:
    assert repetition(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "choices", "known"),
    [
        pytest.param("The answer is yes. Ann hikes.", YES_NO, True, id="answer first"),
        pytest.param("Answer: no\nAnn hikes.", YES_NO, True, id="answer in the first line"),
        pytest.param("Yes. Ann hikes.", YES_NO, True, id="a choice first"),
        pytest.param("No, Ann hikes.\nThe answer is no.", YES_NO, True, id="a choice and a comma"),
        pytest.param("**Yes**: Ann hikes.", YES_NO, True, id="a choice and a colon"),
        pytest.param("(B)\nWater is wet.", ["fire", "water"], True, id="a letter first"),
        pytest.param('{"answer": "yes", "why": "Ann hikes."}', YES_NO, True, id="answer first in JSON"),
        pytest.param('{"why": "Ann hikes.", "answer": "yes"}', YES_NO, False, id="answer last in JSON"),
        pytest.param("The answer is yes.", YES_NO, False, id="an answer alone is short"),
        pytest.param("Yes.", YES_NO, False, id="a choice alone is short"),
        pytest.param("Yes. Yes.", YES_NO, True, id="a step after a choice"),
        pytest.param("Ann hikes. The answer is yes.", YES_NO, False, id="answer last"),
        pytest.param("No one hikes. The answer is no.", YES_NO, False, id="no is not 'no one'"),
        pytest.param("Let us see. The answer is yes. Ann hikes.", YES_NO, False, id="limit: an opening"),
        pytest.param("Ann hikes. As the hint says, she rides.", YES_NO, True, id="the hint"),
        pytest.param("As given, the answer is yes.", YES_NO, True, id="as given"),
        pytest.param("We are told that the answer is no.", YES_NO, True, id="told"),
        pytest.param("Since the correct answer is no, Ann rides.", YES_NO, True, id="since"),
        pytest.param("We want the given answer.", YES_NO, True, id="the given answer"),
        pytest.param("The answer was already given.", YES_NO, True, id="was given"),
        pytest.param("By the answer key it is no.", YES_NO, True, id="answer key"),
        pytest.param("Ann hikes. The answer is given by Ben.", YES_NO, False, id="given by"),
        pytest.param("Ann hikes. Since Ann rides, the answer is yes.", YES_NO, False, id="since, of a step"),
        pytest.param("Ann gave a hint of a smile.", YES_NO, False, id="a hint of"),
        pytest.param("", YES_NO, False, id="nothing"),
    ],
)
def test_leaks(text: str, choices: Sequence[str], known: bool) -> None:
    assert leaked(text, read(text), choices) is known


RIDES = replace(PROBLEM, question="Does this imply that Ann rides?")
TOOLS = replace(PROBLEM, question="What cuts?", choices=["a knife", "a spoon", "No tool"], answer="a knife")
FREE = replace(PROBLEM, question="How many?", choices=[], answer="7")


@pytest.mark.parametrize(
    ("text", "problem", "parsed", "agrees"),
    [
        pytest.param("So Ann rides. The answer is yes.", RIDES, "yes", True, id="yes after P"),
        pytest.param("So Ann rides. The answer is no.", RIDES, "no", False, id="no after P"),
        pytest.param("So Ann never rides. The answer is no.", RIDES, "no", True, id="no after not-P"),
        pytest.param("So Ann never rides. The answer is yes.", RIDES, "yes", False, id="yes after not-P"),
        pytest.param(
            "So Ann rides. That was it. The answer is no.", RIDES, "no", False, id="one step before"
        ),
        pytest.param("So Ann rides. Is it? That was it. The answer is no.", RIDES, "no", None, id="too far"),
        pytest.param("Ann never rides. So she rides. Answer: no", RIDES, "no", True, id="limit: who she is"),
        pytest.param(
            "Ann rides. But Ann never rides. Answer: no", RIDES, "no", True, id="the last one counts"
        ),
        pytest.param(
            "It is so. So Ann rides, and the answer is no.", RIDES, "no", False, id="in its sentence"
        ),
        pytest.param(
            "It does not follow, so the answer is yes.", RIDES, "yes", False, id="it does not follow"
        ),
        pytest.param(
            "Ann rides. Answer: no. Ann never rides.", RIDES, "no", False, id="what follows is late"
        ),
        pytest.param("Answer: yes. Ann never rides. Answer: no.", RIDES, "no", True, id="the last statement"),
        pytest.param("The answer is yes.", RIDES, "yes", None, id="no step"),
        pytest.param(
            "The answer is yes, oh, Ann never rides, so the answer is no.",
            RIDES,
            "no",
            True,
            id="in one line",
        ),
        pytest.param("Ann rides.", RIDES, None, None, id="no answer"),
        pytest.param("Ann rides.", RIDES, "yes", True, id="no statement: the last step"),
        pytest.param("A knife is sharp. Answer: a knife", TOOLS, "a knife", True, id="the choice"),
        pytest.param("A knife is sharp. Answer: a spoon", TOOLS, "a spoon", False, id="another choice"),
        pytest.param("So it is (B). The answer is A.", TOOLS, "a knife", False, id="another letter"),
        pytest.param("So it is (A). The answer is A.", TOOLS, "a knife", True, id="the letter"),
        pytest.param("A knife, not a spoon. Answer: A", TOOLS, "a knife", None, id="two choices"),
        pytest.param("It is not a spoon. Answer: A", TOOLS, "a knife", None, id="a negation"),
        pytest.param("Penknives cut. Answer: A", TOOLS, "a knife", None, id="no choice"),
        pytest.param("So it is (D). Answer: A", TOOLS, "a knife", None, id="no such letter"),
        pytest.param("So 3 + 4 = 7. The answer is 7.", FREE, "7", True, id="the number"),
        pytest.param("7 it is. The answer is 7.", FREE, "7", True, id="the number first"),
        pytest.param("So 3 + 4 = 8. The answer is 7.", FREE, "7", None, id="never False without choices"),
        pytest.param("So it is 17. The answer is 7.", FREE, "7", None, id="a part of a number"),
        pytest.param("So it is so. The answer is ?", FREE, "?", None, id="an answer without words"),
    ],
)
def test_conclusions(text: str, problem: object, parsed: str | None, agrees: bool | None) -> None:
    assert conclusion_agrees(read(text), problem, parsed) is agrees  # type: ignore[arg-type]


LIMITS = Limits(repeated_above=0.5, least_steps=1, most_words=9)


@pytest.mark.parametrize(
    ("text", "finish", "flags"),
    [
        pytest.param("Ann hikes. So Ann rides. The answer is yes.", "stop", [], id="nine words"),
        pytest.param(
            "Ann hikes a lot. So Ann rides. The answer is yes.", "stop", ["long"], id="eleven words"
        ),
        pytest.param("a a a a a", "stop", [], id="a half is not above a half"),
        pytest.param("a a a a a a", "stop", ["repetitive"], id="two of three"),
        pytest.param("The answer is yes.", "stop", ["short"], id="no step"),
        pytest.param("Ann hikes.", "length", ["truncated"], id="cut"),
        pytest.param("The answer is yes. Hm.", "stop", ["leaked"], id="leaked"),
        pytest.param("Ann never rides. The answer is yes.", "stop", ["disagrees"], id="disagrees"),
        pytest.param("", "content_filter", ["short"], id="nothing"),
    ],
)
def test_flags(text: str, finish: str, flags: list[str]) -> None:
    (row,) = verify([sample(text, finish=finish)], {"p1": RIDES}, 0.0)
    assert flags_of(row, LIMITS) == flags


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        ({"support": "no"}, ["unsupported"]),
        ({"support": "unparsed", "preference": "unparsed"}, []),
        ({"support": "yes", "preference": "split"}, []),
        ({"preference": "better"}, []),
        ({"preference": "worse"}, ["outjudged"]),
    ],
)
def test_flags_of_what_a_judge_said(said: dict[str, str], flags: list[str]) -> None:
    (row,) = verify([sample("Ann hikes. So Ann rides. The answer is yes.")], {"p1": RIDES}, 0.0)
    assert flags_of(replace(row, **said), LIMITS) == flags


def test_every_flag_is_tried_here() -> None:
    of_the_text = {"truncated", "leaked", "repetitive", "short", "long", "disagrees"}
    assert set(FLAGS) == of_the_text | {"unsupported", "outjudged"}


def test_measures_are_stored() -> None:
    (row,) = verify([sample("a b c d a b c d. The answer is yes.")], {"p1": RIDES}, 0.0)
    assert (row.words, row.steps, row.leaked, row.conclusion_agrees) == (12, 1, False, None)
    assert row.repetition == pytest.approx(1 / 9)  # of nine 4-grams one comes back


@pytest.mark.parametrize(
    "text",
    [
        "answer " * 30_000,
        "answer" + " " * 200_000 + "x",
        "(" * 200_000 + " ab",
        '"' + " " * 200_000,
        '" , ' * 50_000,
        ".\n" * 100_000,
        "A" * 300_000,
        "1. " * 60_000,
        "the hint " * 20_000,
        "given the " * 20_000,
        "Ann rides, " * 20_000,
    ],
)
def test_long_texts_take_no_time(text: str) -> None:
    started = time.process_time()
    reading = read(text)
    leaked(text, reading, ["yes", "no"])
    repetition(text)
    for problem in (RIDES, TOOLS, FREE):
        conclusion_agrees(reading, problem, "yes")
    claim_of(text)
    assert time.process_time() - started < 2
