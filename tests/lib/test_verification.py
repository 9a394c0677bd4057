"""Verdicts, votes, completeness, counts and the score of the ambiguity rule, by hand."""

import math
from dataclasses import replace

import pytest

from workflow.lib.records import Problem, Rationale
from workflow.lib.verification import (
    Counts,
    counts_by,
    counts_of,
    detection,
    funnel,
    incomplete,
    verdict_of,
    verify,
    vote_statistics,
    votes_of,
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


def test_votes_of_three_to_one() -> None:
    votes = votes_of(["yes", "yes", "no", None, "yes"], has_gold=True, ambiguous_below=0.6)
    assert votes.share == 3 / 4  # of the four that voted
    assert votes.winner == "yes"
    assert votes.entropy == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert not votes.ambiguous


@pytest.mark.parametrize(
    ("parsed", "has_gold", "below", "ambiguous"),
    [
        pytest.param(["yes", "no"], True, 0.6, True, id="half is below 0.6"),
        pytest.param(["yes", "yes", "yes", "no", "no"], True, 0.6, False, id="0.6 is not below 0.6"),
        pytest.param(["yes", "no"], True, 0.5, False, id="half is not below half"),
        pytest.param(["a", "b"], False, 0.6, False, id="many answers may be right"),
        pytest.param([None, None], True, 0.6, False, id="unanswered is not ambiguous"),
        pytest.param([], True, 0.6, False, id="nothing asked"),
    ],
)
def test_the_rule_for_ambiguous(
    parsed: list[str | None], has_gold: bool, below: float, ambiguous: bool
) -> None:
    assert votes_of(parsed, has_gold=has_gold, ambiguous_below=below).ambiguous is ambiguous


def test_equal_votes_have_one_winner_whatever_the_order() -> None:
    forwards = votes_of(["yes", "no"], has_gold=True, ambiguous_below=0.0)
    assert forwards == votes_of(["no", "yes"], has_gold=True, ambiguous_below=0.0)
    assert forwards.winner == "no"


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
    assert counts_of(rows) == Counts(asked=6, answered=3, parsed=2, right=1)
    steps = funnel(rows)
    assert [(s["step"], s["rows_in"], s["rows_out"]) for s in steps] == [
        ("answered", 6, 3),
        ("parsed", 3, 2),
        ("right", 2, 1),
    ]
    assert steps[0]["reason"] == "ended otherwise: 1 length, 1 prompt_too_long; 1 empty"


def test_counts_are_split_by_teacher_and_category() -> None:
    rows = verify([*MIXED, sample(YES, teacher="a")], {"p1": PROBLEM}, 0.0)
    assert counts_by(rows, "teacher", "category") == [
        {"teacher": "a", "category": "propositional", "asked": 1, "answered": 1, "parsed": 1, "right": 1},
        {"teacher": "t", "category": "propositional", "asked": 6, "answered": 3, "parsed": 2, "right": 1},
    ]


def test_vote_statistics() -> None:
    problems = {f"p{i}": replace(PROBLEM, problem_id=f"p{i}") for i in range(4)}
    answers = {"p0": [YES, YES], "p1": [YES, NO], "p2": [NO, NO], "p3": ["Hm.", "Hm."]}
    rows = [sample(text, key, i) for key, texts in answers.items() for i, text in enumerate(texts)]
    found = vote_statistics(verify(rows, problems, 0.6), problems)
    assert found == {
        "problems": 4,
        "unanswered": 1,
        "unanimous": 2,
        "ambiguous": 1,
        "mean_vote_share": pytest.approx((1 + 0.5 + 1) / 3),
        "mean_entropy": pytest.approx(math.log(2) / 3),
        "majority_right": pytest.approx(1 / 3),  # p0; the tie of p1 goes to "no"
    }


def test_detection_is_scored_against_what_was_planted() -> None:
    # 1 − vote share: planted 1/2 and 1/4; sound 1/4, 0 and 0. Of the 6 pairs planted × sound the planted
    # one is above in 5 and equal in 1: AUROC 5.5 / 6. Below 0.8 are p0, p1 and p2: two of them planted.
    shares = {"p0": (2, 2), "p1": (3, 1), "p2": (3, 1), "p3": (4, 0), "p4": (4, 0)}
    problems = {
        key: replace(PROBLEM, problem_id=key, planted="ambiguous" if key in ("p0", "p1") else "")
        for key in shares
    }
    rows = [
        sample(text, key, i)
        for key, (yes, no) in shares.items()
        for i, text in enumerate([YES] * yes + [NO] * no)
    ]
    assert detection(verify(rows, problems, 0.8)) == {
        "planted": 2,
        "sound": 3,
        "unanswered": 0,
        "flagged": 3,
        "auroc": pytest.approx(5.5 / 6),
        "precision": pytest.approx(2 / 3),
        "recall": 1.0,
    }


def test_detection_has_no_score_where_nothing_is_planted_or_flagged() -> None:
    assert detection(verify([sample(YES)], {"p1": PROBLEM}, 0.6)) is None
    problems = {"p1": PROBLEM, "p2": replace(PROBLEM, problem_id="p2", planted="ambiguous")}
    found = detection(verify([sample(YES), sample(YES, "p2")], problems, 0.6))
    assert found is not None
    assert (found["precision"], found["recall"], found["auroc"]) == (None, 0.0, 0.5)
