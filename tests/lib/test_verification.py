"""Verdicts, completeness, flags and counts, by hand."""

from dataclasses import replace

import pytest

from workflow.lib.records import Problem, Rationale, Verified
from workflow.lib.signals import Limits
from workflow.lib.verification import (
    Counts,
    counts_by,
    counts_of,
    flagged,
    funnel,
    incomplete,
    loss_of,
    losses_of,
    quality_by,
    verdict_of,
    verify,
)

YES = "So it is. The answer is yes."
NO = "It is not. The answer is no."
PROBLEM = Problem(
    problem_id="p1",
    group_id="g1",
    dataset="logic",
    category="propositional",
    rule="modus_tollens",
    context="",
    question="Is it so?",
    choices=["yes", "no"],
    answer="yes",
    verifier="gold",
    instance="",
    planted="",
    source="made:1",
)


def sample(
    text: str, problem: str = "p1", index: int = 0, finish: str = "stop", teacher: str = "t"
) -> Rationale:
    return Rationale(
        rationale_id=f"{problem}/{teacher}/cot/{index}",
        problem_id=problem,
        split="train",
        teacher=teacher,
        prompt="cot",
        index=index,
        seed=index,
        text=text,
        logprob=-1.0,
        tokens=9,
        prompt_tokens=5,
        finish_reason=finish,
    )


@pytest.mark.parametrize(
    ("text", "finish", "expected"),
    [
        pytest.param(YES, "stop", ("yes", "right"), id="right"),
        pytest.param(NO, "stop", ("no", "wrong"), id="wrong"),
        pytest.param(NO + "\n" + YES, "stop", ("yes", "right"), id="the last answer counts"),
        pytest.param("It is so.", "stop", (None, "unparsed"), id="no answer is not 'no'"),
        pytest.param("The answer is maybe.", "stop", (None, "unparsed"), id="not a choice"),
        pytest.param(YES + " Or", "length", (None, "truncated"), id="cut"),
        pytest.param("", "prompt_too_long", (None, "unparsed"), id="not asked"),
    ],
)
def test_verdicts(text: str, finish: str, expected: tuple[str | None, str]) -> None:
    assert verdict_of(sample(text, finish=finish), PROBLEM) == expected


def test_a_verifier_decides_where_there_is_no_gold() -> None:
    instance = '{"names": ["Ann", "Bob", "Cy"], "before": [["Ann", "Bob"]]}'
    puzzle = replace(PROBLEM, choices=[], answer=None, verifier="ordering", instance=instance)
    assert verdict_of(sample("The answer is Cy, Ann, Bob."), puzzle) == ("Cy, Ann, Bob", "right")
    assert verdict_of(sample("The answer is Bob, Ann, Cy."), puzzle)[1] == "wrong"


def test_a_problems_vote_is_over_all_teachers() -> None:
    rows = [
        sample(YES, index=0),
        sample(YES, index=1),
        sample(NO, teacher="u"),
        sample(NO, index=1, teacher="u"),
    ]
    verified = verify(rows, {"p1": PROBLEM}, 0.6)
    assert [row.verdict for row in verified] == ["right", "right", "wrong", "wrong"]
    assert {(row.vote_share, row.ambiguous) for row in verified} == {(0.5, True)}
    assert verified[0].rule == "modus_tollens"


def test_complete_samples_have_nothing_to_tell() -> None:
    rows = [sample(YES, problem, index) for problem in ("p1", "p2") for index in (0, 1)]
    assert incomplete(rows, {"p1": "train", "p2": "train"}) == []


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        pytest.param(
            [("p1", 0), ("p1", 1), ("p2", 0)], "problem p2: expected samples 0 … 1, found [0]", id="lacks"
        ),
        pytest.param([("p1", 0)], "problem p2: expected samples 0 … 0, found []", id="lacks a problem"),
        pytest.param(
            [("p1", 0), ("p2", 0), ("p2", 0)], "problem p2: expected samples 0 … 0, found [0, 0]", id="twice"
        ),
        pytest.param([("p1", 0), ("p2", 0), ("p9", 0)], "p9/t/cot/0: not a problem of train", id="unknown"),
    ],
)
def test_incomplete_samples_are_named(present: list[tuple[str, int]], expected: str) -> None:
    rows = [sample(YES, problem, index) for problem, index in present]
    assert incomplete(rows, {"p1": "train", "p2": "train"}) == [expected]


MIXED = [
    sample(YES, index=0),
    sample(NO, index=1),
    sample("Hm.", index=2),
    sample(YES, index=3, finish="length"),
    sample(" ", index=4),
    sample("", index=5, finish="prompt_too_long"),
]


def test_the_funnel_counts_every_sample_once() -> None:
    rows = verify(MIXED, {"p1": PROBLEM}, 0.0)
    assert counts_of(rows) == Counts(asked=6, answered=3, parsed=2, right=1, kept=1)
    steps = funnel(rows)
    assert [(s["step"], s["rows_in"], s["rows_out"]) for s in steps] == [
        ("answered", 6, 3),
        ("parsed", 3, 2),
        ("right", 2, 1),
        ("kept", 1, 1),
    ]
    assert steps[0]["reason"] == "ended otherwise: 1 length, 1 prompt_too_long; 1 empty"


def test_counts_are_split_by_teacher_and_category() -> None:
    rows = verify([*MIXED, sample(YES, teacher="a")], {"p1": PROBLEM}, 0.0)
    lost = {"empty": 1, "length": 1, "prompt_too_long": 1, "unparsed": 1, "wrong": 1}
    whole = {"teacher": "t", "category": "propositional", "asked": 6, "answered": 3, "parsed": 2, "right": 1}
    assert counts_by(rows, "teacher", "category") == [
        {"teacher": "a", "category": "propositional"}
        | {"asked": 1, "answered": 1, "parsed": 1, "right": 1, "kept": 1, "lost": {}},
        whole | {"kept": 1, "lost": lost},
    ]
    assert sum(lost.values()) == 6 - 1


# 24 words make 21 4-grams: two until the loop, three in it, four after its last turn; 12 were there before.
LOOP = "Ann hikes. " + "So Ann rides. " * 6 + "The answer is yes."
LIMITS = Limits(repeated_above=0.5, least_steps=1, most_words=24)
FLAGGED = [
    (sample("Ann hikes. So Ann rides. The answer is yes.", index=0), [], "right"),
    (sample("The answer is yes.", index=1), ["short"], "right"),
    (sample(LOOP, index=2), ["repetitive"], "right"),
    (sample("So Ann never rides. The answer is yes.", index=3), ["disagrees"], "right"),
    (sample("The answer is yes. Ann rides.", index=4), ["leaked"], "right"),
    (sample("Oh, " + LOOP, index=5), ["repetitive", "long"], "right"),
    (sample("The answer is no.", index=6), ["short"], "wrong"),
    (sample("Hm.", index=7), [], "unparsed"),
    (sample("Ann", index=8, finish="length"), ["truncated"], "truncated"),
]


def with_flags(*drop: str) -> list[Verified]:
    question = replace(PROBLEM, question="Does this imply that Ann rides?")
    rows = verify([row for row, _, _ in FLAGGED], {"p1": question}, 0.0)
    return flagged(rows, LIMITS, drop)


def test_flags_are_told_and_drop_nothing_by_themselves() -> None:
    rows = with_flags()
    assert [(row.flags, row.verdict) for row in rows] == [(flags, verdict) for _, flags, verdict in FLAGGED]
    assert (counts_of(rows).right, counts_of(rows).kept) == (6, 6)
    assert funnel(rows)[-1]["reason"] == "has a flag that rationales.drop names: none"


def test_a_flag_that_is_named_becomes_the_verdict_and_the_reason() -> None:
    rows = with_flags("long", "repetitive", "short")
    assert [row.verdict for row in rows] == [
        *("right", "short", "repetitive", "right", "right", "long"),
        *("short", "unparsed", "truncated"),
    ]
    assert [row.right for row in rows] == [True] * 6 + [False] * 3  # what the answer is does not change
    assert (counts_of(rows).right, counts_of(rows).kept) == (6, 3)
    step = funnel(rows)[-1]
    assert (step["rows_in"], step["rows_out"]) == (6, 3)
    assert step["reason"].endswith("names: 1 long, 1 repetitive, 1 short")
    lost = {"length": 1, "long": 1, "repetitive": 1, "short": 1, "unparsed": 1, "wrong": 1}
    assert losses_of(rows) == lost
    assert counts_by(rows, "teacher")[0]["lost"] == lost
    assert [loss_of(row) for row in rows].count(None) == 3 == 9 - sum(lost.values())


def test_what_is_cut_or_unread_keeps_its_verdict_whatever_is_dropped() -> None:
    rows = with_flags("short", "truncated", "disagrees", "leaked", "repetitive", "long")
    assert [row.verdict for row in rows[-2:]] == ["unparsed", "truncated"]
    assert counts_of(rows).kept == 1
    (empty,) = flagged(verify([sample("")], {"p1": PROBLEM}, 0.0), LIMITS, ["short"])
    assert (empty.flags, empty.verdict) == (["short"], "unparsed")


def test_quality_is_counted_among_all_right_and_wrong() -> None:
    (line,) = quality_by(with_flags("short"), "teacher")
    assert line["flags"] == {
        "truncated": {"samples": 1, "right": 0, "wrong": 0},
        "leaked": {"samples": 1, "right": 1, "wrong": 0},
        "repetitive": {"samples": 2, "right": 2, "wrong": 0},
        "short": {"samples": 2, "right": 1, "wrong": 1},
        "long": {"samples": 1, "right": 1, "wrong": 0},
        "disagrees": {"samples": 1, "right": 1, "wrong": 0},
        "unsupported": {"samples": 0, "right": 0, "wrong": 0},  # nobody was asked
        "outjudged": {"samples": 0, "right": 0, "wrong": 0},
    }
    assert line["teacher"] == "t"
    assert line["mean_words"] == pytest.approx((9 + 4 + 24 + 8 + 6 + 25 + 4 + 1 + 1) / 9)
    assert line["mean_steps"] == pytest.approx((2 + 0 + 7 + 1 + 1 + 7 + 0 + 1 + 1) / 9)
    assert line["mean_tokens"] == 9
    assert line["conclusion_told"] == 4  # of 0, 2, 3 and 5: the others have no step before the answer
