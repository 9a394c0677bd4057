"""What each strategy calls good and bad, sample by sample."""

from dataclasses import replace

import pytest

from tests.lib.test_verification import NO, PROBLEM, YES, sample
from workflow.lib.records import Verified
from workflow.lib.sides import STRATEGIES, Sides, completion, shares
from workflow.lib.verification import verify

GOAL = replace(PROBLEM, choices=["Use a sieve.", "Use a spoon.", "Use a fork."], answer="Use a sieve.")
FREE = replace(PROBLEM, choices=[], answer=None)  # nobody knows the answer


def judged(*texts: str) -> list[Verified]:
    return verify([sample(text, index=i) for i, text in enumerate(texts)], {"p1": PROBLEM}, 0.0)


def texts(sides: Sides) -> tuple[list[str], list[str]]:
    return [found.text for found in sides.good], [found.text for found in sides.bad]


def said(*answers: str) -> list[Verified]:
    """Return a sample per answer; each text has its own number."""
    rows = [sample(f"{i}. The answer is {answer}.", index=i) for i, answer in enumerate(answers)]
    return verify(rows, {"p1": FREE}, 0.0)


def test_right_vs_wrong_takes_only_finished_samples_with_an_answer() -> None:
    rows = [sample(YES + " \n"), sample(NO), sample("Hm."), sample(YES, finish="length"), sample("")]
    sides = STRATEGIES["right_vs_wrong"].sides(PROBLEM, verify(rows, {"p1": PROBLEM}, 0.0), 0.0)
    assert texts(sides) == ([YES], [NO])


def test_a_sample_dropped_at_verification_is_on_no_side_but_has_voted() -> None:
    right, dropped, wrong = judged(YES, "2. " + YES, NO)
    rows = [right, replace(dropped, verdict="repeats"), wrong]
    for name in ("right_vs_wrong", "votes"):
        sides = STRATEGIES[name].sides(PROBLEM, rows, 0.0)
        assert texts(sides) == ([YES], [NO])
        assert sides.good[0].votes == pytest.approx(2 / 3)


def test_a_completion_knows_its_vote_and_its_mean_logprob() -> None:
    # two of three answers read are yes; -6 nats over 4 tokens are -1.5 each
    first, *rest = judged(YES, YES, NO, "Hm.")
    sides = STRATEGIES["right_vs_wrong"].sides(PROBLEM, [replace(first, logprob=-6.0, tokens=4), *rest], 0.0)
    assert (sides.good[0].votes, sides.good[0].logprob) == (pytest.approx(2 / 3), -1.5)
    assert sides.bad[0].votes == pytest.approx(1 / 3)
    assert {found.problem_id for found in [*sides.good, *sides.bad]} == {"p1"}


@pytest.mark.parametrize(("logprob", "tokens"), [(None, 4), (-6.0, 0)])
def test_a_teacher_that_does_not_tell_leaves_the_logprob_unknown(logprob: float | None, tokens: int) -> None:
    (row,) = judged(YES)
    assert completion(replace(row, logprob=logprob, tokens=tokens), None).logprob is None


def test_shares_are_of_the_answers_read() -> None:
    assert shares(judged(YES, YES, YES, NO, "Hm.")) == {"yes": 0.75, "no": 0.25}
    assert shares(judged("Hm.")) == {}


def test_gold_vs_wrong_takes_the_texts_of_the_choices() -> None:
    take = STRATEGIES["gold_vs_wrong"].sides
    assert texts(take(GOAL, [], 0.0)) == (["Use a sieve."], ["Use a spoon.", "Use a fork."])
    assert take(GOAL, [], 0.0).good[0].votes is None  # nobody was asked
    assert take(replace(GOAL, answer=None), [], 0.0) == Sides([], [])
    assert take(replace(GOAL, answer="Use a hat."), [], 0.0) == Sides([], [])


def test_choices_have_the_votes_of_the_samples_that_named_them() -> None:
    rows = [sample(f"The answer is {c}", index=i) for i, c in enumerate(["(A)", "(A)", "(A)", "(B)"])]
    sides = STRATEGIES["gold_vs_wrong"].sides(GOAL, verify(rows, {"p1": GOAL}, 0.0), 0.0)
    assert [found.votes for found in [*sides.good, *sides.bad]] == [0.75, 0.25, 0.0]


VOTES = {
    # answers by sample → samples on the good side, on the bad side; lead = most - least
    "most against least": ("aaaabbc", 0.0, [0, 1, 2, 3], [6]),
    "both least frequent ones": ("aaabc", 0.0, [0, 1, 2], [3, 4]),
    "a tie for the first place": ("aabbc", 0.0, [], []),
    "a tie of all": ("ab", 0.0, [], []),
    "unanimous: nothing to reject": ("aaa", 0.5, [0, 1, 2], []),
    "the lead of 2/4 is above 0.4": ("aaab", 0.4, [0, 1, 2], [3]),
    "the lead of 2/4 is not above 0.5": ("aaab", 0.5, [], []),
}


@pytest.mark.parametrize(("answers", "margin", "good", "bad"), VOTES.values(), ids=VOTES.keys())
def test_votes_need_no_gold(answers: str, margin: float, good: list[int], bad: list[int]) -> None:
    sides = STRATEGIES["votes"].sides(FREE, said(*answers), margin)
    assert [int(text[0]) for text in texts(sides)[0]] == good
    assert [int(text[0]) for text in texts(sides)[1]] == bad


def test_votes_of_nobody_choose_nothing() -> None:
    assert STRATEGIES["votes"].sides(FREE, [], 0.0) == Sides([], [])


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_pair_holds_in_its_order_only(name: str) -> None:
    problem = GOAL if name == "gold_vs_wrong" else PROBLEM
    rows = judged(YES, "2. " + YES, NO, "Hm.")
    sides = STRATEGIES[name].sides(problem, rows, 0.0)
    chosen, rejected = sides.good[0].text, sides.bad[0].text
    holds = STRATEGIES[name].holds
    assert holds(problem, rows, chosen, rejected)
    assert not holds(problem, rows, rejected, chosen)
    assert not holds(problem, rows, chosen, chosen)
    assert not holds(problem, rows, "Another text.", rejected)
