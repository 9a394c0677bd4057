"""Who is compared with whom, what a judge is asked, and how each pair ends, by hand."""

from dataclasses import replace

import pytest

from tests.hand_samples import sample
from tests.source import ROOT
from workflow.lib.duels import answer_id, answer_of, counted, duel_questions, duels, pairs_of
from workflow.lib.errors import IntegrityError
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Opinion, Sample
from workflow.lib.sights import RIVALS

BETTER = PromptFile(ROOT / "config/prompts/better.j2", RIVALS)
BASE = sample(text="No.", score=0.0)
OURS = sample(method="dpo", text="It rains, so yes.")


def reply(one: Sample, other: Sample, said: str, finish: str = "stop") -> Opinion:
    return Opinion(answer_id(one), answer_id(other), "j", f"Hm. The answer is {said}.", 9, 5, finish)


def end(*given: Opinion) -> tuple[str, list[str]]:
    (found,) = duels([(OURS, BASE)], given)
    return found.end, found.places


def test_every_policy_meets_the_base_on_the_first_problems_by_id() -> None:
    asked = [
        sample(method=method, seed=seed, problem_id=problem, text=f"{method} {seed} {problem}")
        for method in ("sft", "base", "dpo")
        for seed in (1, 2)
        for problem in ("p3", "p1", "p2")
    ]
    # Another model has problems of its own.
    asked += [replace(s, model="big", problem_id=f"q{s.problem_id}") for s in asked]
    found = pairs_of(asked, 2)
    assert len(found) == 2 * 2 * 2 * 2  # models, policies, seeds, problems
    assert {(ours.method, base.method) for ours, base in found} == {("sft", "base"), ("dpo", "base")}
    assert {ours.problem_id for ours, _ in found} == {"p1", "p2", "qp1", "qp2"}
    same = ("dataset", "model", "task", "seed", "problem_id", "repeat")
    assert all(getattr(ours, name) == getattr(base, name) for ours, base in found for name in same)


def test_an_answer_without_a_partner_stops() -> None:
    with pytest.raises(IntegrityError, match="1 without a partner"):
        pairs_of([BASE, OURS, replace(OURS, repeat=1)], 9)


def test_each_pair_is_shown_in_both_orders_and_each_two_texts_once() -> None:
    again = replace(OURS, method="sft", seed=2)  # the same words from another policy
    equal = replace(BASE, method="orpo", text=" No.\n")
    first, second = duel_questions([(OURS, BASE), (again, replace(BASE, seed=2)), (equal, BASE)], BETTER)
    assert first.problem_id == f"{answer_id(OURS)}|{answer_id(BASE)}"
    assert second.problem_id == f"{answer_id(BASE)}|{answer_id(OURS)}"
    told = "This was asked:\nIs it so?\n\nThe first answer:\nIt rains, so yes.\n\nThe second answer:\nNo.\n\n"
    assert first.text.startswith(told) and "The first answer:\nNo." in second.text
    assert {question.split for question in (first, second)} == {"test"}


def test_a_thought_is_not_shown_where_an_answer_follows_it() -> None:
    thinking = replace(OURS, text="<think>Or no?</think>It rains, so yes.")
    assert answer_of(thinking) == "It rains, so yes." and answer_id(thinking) == answer_id(OURS)
    changes = ({"problem_id": "p2"}, {"model": "big"}, {"dataset": "goals"}, {"text": "It rains."})
    assert len({answer_id(OURS), *(answer_id(replace(OURS, **change)) for change in changes)}) == 5


@pytest.mark.parametrize(
    ("ahead", "behind", "expected"),
    [
        pytest.param("first", "second", "win", id="named in both orders"),
        pytest.param("second", "first", "loss", id="the other is"),
        pytest.param("first", "first", "split", id="the place"),
        pytest.param("second", "second", "split", id="the other place"),
        pytest.param("first", "neither", "unparsed", id="half unread"),
    ],
)
def test_how_a_pair_ends(ahead: str, behind: str, expected: str) -> None:
    places = [place for place in (ahead, behind) if place != "neither"]
    given = (reply(BASE, OURS, behind), reply(OURS, BASE, ahead))
    assert end(*given) == (expected, places)
    assert len(counted(duels([(OURS, BASE)], given))) == (expected != "unparsed")


def test_a_reply_that_was_cut_is_not_read_and_equal_texts_need_none() -> None:
    cut = reply(BASE, OURS, "second", finish="length")
    assert end(reply(OURS, BASE, "first"), cut) == ("unparsed", ["first"])
    (found,) = duels([(replace(OURS, text=BASE.text), BASE)], [])
    assert (found.end, found.places) == ("equal", [])


def test_a_pair_that_was_not_asked_about_in_both_orders_stops() -> None:
    with pytest.raises(IntegrityError, match=r"no reply on 1 orders, as .*judge again"):
        duels([(OURS, BASE)], [reply(OURS, BASE, "first")])
