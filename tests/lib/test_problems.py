"""Votes, opposite questions, and what the samples say of a problem, by hand."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.lib.test_verification import NO, PROBLEM, YES, sample
from workflow.lib.problems import (
    Suspicion,
    opposite_questions,
    signals_of,
    suspects,
    vote_statistics,
    votes_of,
)
from workflow.lib.records import Problem, ProblemSignals, Rationale
from workflow.lib.verification import verify

SUSPICION = Suspicion(share=0.75, votes=2)


def signals(rows: Sequence[Rationale], problems: Mapping[str, Problem]) -> list[ProblemSignals]:
    return signals_of(verify(rows, problems, 0.6), problems, SUSPICION)


def answers(key: str, *texts: str, teacher: str = "t") -> list[Rationale]:
    return [sample(text, key, i, teacher=teacher) for i, text in enumerate(texts)]


def one(*rows: Rationale, problem: Problem = PROBLEM) -> ProblemSignals:
    (found,) = signals(rows, {"p1": problem})
    return found


def test_votes_of_three_to_one() -> None:
    votes = votes_of(["yes", "yes", "no", None, "yes"])
    assert votes.share == 3 / 4  # of the four that voted
    assert votes.winner == "yes"
    assert votes.entropy == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))


HM = "Hm."
PUZZLE = {"choices": [], "answer": None, "verifier": "aiw", "instance": '{"answer": "1"}'}


@pytest.mark.parametrize(
    ("texts", "about", "below", "ambiguous"),
    [
        pytest.param([YES, NO], {}, 0.6, True, id="half is below 0.6"),
        pytest.param([YES, YES, YES, NO, NO], {}, 0.6, False, id="0.6 is not below 0.6"),
        pytest.param([YES, NO], {}, 0.5, False, id="half is not below half"),
        pytest.param(["The answer is 1.", "The answer is 2."], PUZZLE, 0.6, False, id="many may be right"),
        pytest.param([HM, HM], {}, 0.6, False, id="unanswered is not ambiguous"),
        pytest.param([YES, NO, HM], {}, 0.5, False, id="unread does not count"),
    ],
)
def test_the_rule_for_ambiguous(
    texts: list[str], about: dict[str, Any], below: float, ambiguous: bool
) -> None:
    rows = verify(answers("p1", *texts), {"p1": replace(PROBLEM, **about)}, below)
    assert {row.ambiguous for row in rows} == {ambiguous}


def test_ambiguous_by_what_the_steps_come_to() -> None:
    # Of four answers read two come to "Ann rides": told is 2 / 4. The votes are unanimous.
    told, untold = "So Ann rides. The answer is yes.", "Ann hikes. The answer is yes."
    rows, problems = answers("p1", told, untold, told, untold, HM), asked(RIDES)
    problems = {"p1": replace(problems["p0"], problem_id="p1")}
    for below, expected in ((0.5, False), (0.55, True)):
        found = verify(rows, problems, below, ambiguous_by="untold")
        assert {row.ambiguous for row in found} == {expected}
    assert {row.ambiguous for row in verify(rows, problems, 1.0)} == {False}


def test_a_hinted_sample_says_nothing_of_how_clear_a_problem_is() -> None:
    hinted = [replace(row, prompt="hinting") for row in answers("p1", NO, NO)]
    for voted in ([YES, YES], [HM, HM]):  # without a hint nobody may have an answer
        rows = verify([*answers("p1", *voted), *hinted], {"p1": PROBLEM}, 0.9, "hinting")
        assert {row.ambiguous for row in rows} == {False}


def test_equal_votes_have_one_winner_whatever_the_order() -> None:
    forwards = votes_of(["yes", "no"])
    assert forwards == votes_of(["no", "yes"])
    assert forwards.winner == "no"


def test_every_signal_of_one_problem() -> None:
    texts = [(YES, -2.0), (YES, -4.0), (NO, -9.0), ("Hm.", -100.0), (YES, None)]
    rows = [replace(sample(text, index=i), logprob=value) for i, (text, value) in enumerate(texts)]
    assert one(*rows, problem=replace(PROBLEM, planted="x")) == ProblemSignals(
        problem_id="p1",
        group_id="g1",
        split="train",
        category="propositional",
        rule="modus_tollens",
        samples=5,
        answered=4,
        right=3,
        answer="yes",
        majority="yes",
        vote_share=0.75,
        entropy=pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))),
        gold_share=0.75,
        opposite=None,
        consistent=None,
        pair_gap=None,
        teacher_agreement=None,
        untold=1.0,
        logprob_right=-3.0,  # of the two that are known
        logprob_wrong=-9.0,  # what has no answer is not wrong
        difficulty="mixed",
        ambiguous=False,
        label_suspect=False,
        planted="x",
    )


@pytest.mark.parametrize(
    ("texts", "difficulty"),
    [
        pytest.param([YES, YES], "easy", id="all right"),
        pytest.param([NO, NO], "hard", id="none right"),
        pytest.param(["Hm.", "Hm."], "hard", id="none answered"),
        pytest.param([YES, NO], "mixed", id="one right"),
        pytest.param([YES, "Hm."], "mixed", id="not all answered"),
    ],
)
def test_difficulty(texts: list[str], difficulty: str) -> None:
    assert one(*answers("p1", *texts)).difficulty == difficulty


GOLDLESS = replace(PROBLEM, choices=[], answer=None, verifier="aiw", instance='{"answer": "1"}')


@pytest.mark.parametrize(
    ("texts", "problem", "suspect"),
    [
        pytest.param([NO, NO], PROBLEM, True, id="two agree against gold"),
        pytest.param([NO, NO, NO, YES], PROBLEM, True, id="three of four"),
        pytest.param([NO, NO, YES], PROBLEM, False, id="two of three are too few"),
        pytest.param([NO], PROBLEM, False, id="one vote is too few"),
        pytest.param([NO, "Hm."], PROBLEM, False, id="one that was read is too few"),
        pytest.param([YES, YES], PROBLEM, False, id="with gold"),
        pytest.param(["The answer is 2."] * 2, GOLDLESS, False, id="no gold"),
    ],
)
def test_a_label_is_suspect_when_enough_agree_on_another(
    texts: list[str], problem: Problem, suspect: bool
) -> None:
    found = one(*answers("p1", *texts), problem=problem)
    assert found.label_suspect is suspect
    assert (found.gold_share is None) is (problem is GOLDLESS)


@pytest.mark.parametrize(
    ("texts", "agreement"),
    [
        pytest.param({"t": [YES, YES]}, None, id="one teacher"),
        pytest.param({"t": [YES, YES], "u": [YES, NO, YES]}, 1.0, id="both for yes"),
        pytest.param({"t": [YES, YES], "u": [NO]}, 1 / 2, id="the majority of all is yes"),
        pytest.param({"t": [YES] * 3, "u": [NO], "v": [NO]}, 1 / 3, id="teachers count, not samples"),
        pytest.param({"t": [YES], "u": [YES], "v": ["Hm."]}, 1.0, id="who says nothing does not count"),
        pytest.param({"t": [YES], "u": ["Hm."]}, None, id="one teacher that says something"),
    ],
)
def test_teachers_agree(texts: dict[str, list[str]], agreement: float | None) -> None:
    rows = [row for teacher, some in texts.items() for row in answers("p1", *some, teacher=teacher)]
    assert one(*rows).teacher_agreement == agreement


def test_samples_without_a_conclusion_are_told() -> None:
    told, silent = "So Ann rides. The answer is yes.", "That is open. The answer is yes."
    problem = replace(PROBLEM, question="Is it true that Ann rides?")
    assert one(*answers("p1", told, silent, silent, "Hm."), problem=problem).untold == pytest.approx(2 / 3)
    assert one(*answers("p1", "Hm."), problem=problem).untold is None


def asked(*questions: str, group: str = "g1") -> dict[str, Problem]:
    return {
        f"p{i}": replace(PROBLEM, problem_id=f"p{i}", group_id=group, question=question)
        for i, question in enumerate(questions)
    }


RIDES, NEVER = "Is it true that Ann rides?", "Does this imply that Ann never rides?"


def test_opposites_are_found_inside_a_group_and_context() -> None:
    problems = asked(RIDES, "Is it true that Ann hikes?", NEVER)
    assert opposite_questions(problems.values()) == {"p0": "p2", "p2": "p0"}
    for other in ({"group_id": "g2"}, {"context": "another"}, {"choices": ["A", "B"]}):
        changed = [problems["p0"], replace(problems["p2"], **other)]
        assert opposite_questions(changed) == {}


def test_a_question_has_one_opposite_at_most() -> None:
    found = opposite_questions(asked(RIDES, NEVER, NEVER.replace("imply", "mean"), RIDES).values())
    assert found == {"p0": "p1", "p1": "p0", "p2": "p3", "p3": "p2"}


@pytest.mark.parametrize(
    ("first", "second", "consistent", "gap"),
    [
        pytest.param([YES, YES], [NO, NO], True, 0.0, id="yes and no"),
        pytest.param([YES, YES], [YES, YES], False, 1.0, id="both yes"),
        pytest.param([NO, NO], [NO, NO], True, 1.0, id="both no: nothing follows"),
        pytest.param(
            [YES, YES, YES, NO], [YES, YES, NO], False, 3 / 4 + 2 / 3 - 1, id="most say yes to both"
        ),
        pytest.param([YES, YES, YES, NO], [YES, NO, NO, NO], True, 0.0, id="shares add up to one"),
        pytest.param([YES, YES], ["Hm."], None, None, id="the other is unanswered"),
        pytest.param(["Hm."], [YES, YES], None, None, id="this one is unanswered"),
    ],
)
def test_both_yes_is_inconsistent(
    first: list[str], second: list[str], consistent: bool | None, gap: float | None
) -> None:
    rows = [*answers("p0", *first), *answers("p1", *second)]
    found = signals(rows, asked(RIDES, NEVER))
    assert [(s.opposite, s.consistent) for s in found] == [("p1", consistent), ("p0", consistent)]
    assert [s.pair_gap for s in found] == pytest.approx([gap, gap])


def test_pairs_are_counted_once() -> None:
    rows = [*answers("p0", YES), *answers("p1", YES)]
    found = vote_statistics(signals(rows, asked(RIDES, NEVER)))
    assert (found["opposite_pairs"], found["inconsistent_pairs"]) == (1, 1)


def test_an_opposite_that_was_not_sampled_is_none() -> None:
    (found,) = signals(answers("p0", YES), asked(RIDES, NEVER))
    assert (found.opposite, found.consistent) == (None, None)


def test_ambiguity_is_what_verification_marked() -> None:
    assert one(*answers("p1", YES, NO)).ambiguous
    assert not one(*answers("p1", YES, YES)).ambiguous


def test_vote_statistics() -> None:
    problems = {f"p{i}": replace(PROBLEM, problem_id=f"p{i}") for i in range(4)}
    answers = {"p0": [YES, YES], "p1": [YES, NO], "p2": [NO, NO], "p3": ["Hm.", "Hm."]}
    rows = [sample(text, key, i) for key, texts in answers.items() for i, text in enumerate(texts)]
    found = vote_statistics(signals(rows, problems))
    assert found == {
        "problems": 4,
        "unanswered": 1,
        "unanimous": 2,
        "ambiguous": 1,
        "label_suspect": 1,  # p2
        "difficulty": {"easy": 1, "hard": 2, "mixed": 1},
        "opposite_pairs": 0,
        "inconsistent_pairs": 0,
        "mean_vote_share": pytest.approx((1 + 0.5 + 1) / 3),
        "mean_entropy": pytest.approx(math.log(2) / 3),
        "majority_right": pytest.approx(1 / 3),  # p0; the tie of p1 goes to "no"
        "mean_teacher_agreement": None,
    }


def test_suspects_are_shown_with_most_votes_first() -> None:
    problems = {key: replace(PROBLEM, problem_id=key) for key in ("p0", "p1", "p2", "p3")}
    texts = {"p0": [NO] * 3 + [YES], "p1": [NO] * 2, "p2": [NO] * 3, "p3": [YES] * 3}
    rows = [row for key, some in texts.items() for row in answers(key, *some)]
    found = suspects(signals(rows, problems), 2)
    about = {"answer": "yes", "majority": "no", "vote_share": 1.0}
    assert found == [
        {"problem_id": "p2", **about, "answered": 3},
        {"problem_id": "p1", **about, "answered": 2},
    ]
