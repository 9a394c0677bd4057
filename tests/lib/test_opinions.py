"""What a judge is shown, how its replies are read, and what becomes of them, by hand."""

from dataclasses import replace

import pytest

from tests.lib.test_verification import PROBLEM, sample
from tests.source import ROOT
from workflow.lib.errors import DataError
from workflow.lib.opinions import (
    Candidate,
    JudgeSettings,
    about_judging,
    candidates,
    check_opinions,
    contest_questions,
    contests,
    heard,
    opinions,
    outcomes,
    said,
    steps_of,
    support_questions,
    supports,
)
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Opinion, Rationale, Verified, short_hash
from workflow.lib.sights import COMPARER, JUDGE
from workflow.lib.verification import verify

ENTAILS = PromptFile(ROOT / "config/prompts/entails.j2", JUDGE)
SOUNDER = PromptFile(ROOT / "config/prompts/sounder.j2", COMPARER)
RIGHT = "Ann hikes.\nSo Ann rides.\nTherefore the answer is yes."
WRONG = "Ann hikes.\nSo Ann rests.\nThe answer is no."
ROWS = [
    sample(RIGHT, index=0),
    sample(WRONG, index=1),
    sample("The answer is yes.", index=2),  # no steps
    sample("So Ann rides.", index=3),  # no answer
    sample("So Ann rides. The answer is yes.", index=4, finish="length"),  # cut: no answer
    sample("Ann rides, as she hikes, and the answer is yes.", index=5),
]


def opinion(one: str, text: str, against: str = "", finish: str = "stop") -> Opinion:
    return Opinion(one, against, "j", text, 9, 5, finish)


def verified(rows: list[Rationale]) -> list[Verified]:
    return verify(rows, {row.problem_id: replace(PROBLEM, problem_id=row.problem_id) for row in rows}, 0.0)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        pytest.param(RIGHT, ["Ann hikes.", "So Ann rides."], id="the statement is not shown"),
        pytest.param("A. B, so the answer is no.", ["A.", "B"], id="what leads to it is"),
        pytest.param("A. The answer is no. B. The answer is yes.", ["A.", "B."], id="no statement is"),
        pytest.param("A.", ["A."], id="nothing stated"),
        pytest.param('{"reasoning": "A.", "answer": "no"}', ['{"reasoning": "A."'], id="JSON"),
        pytest.param("A. In conclusion, the final answer is no.", ["A."], id="words that only lead"),
        pytest.param("So the correct answer is no.", [], id="nothing but a statement"),
        pytest.param("<think>T.</think>A. The answer is no.", ["A."], id="the thought is not shown"),
        pytest.param(
            "<think>T. So it is.</think>The answer is no.", ["T.", "So it is."], id="unless it is all"
        ),
        pytest.param("T.</think>The answer is no.", ["T."], id="opening tag in the prompt"),
    ],
)
def test_steps_that_a_judge_is_shown(text: str, steps: list[str]) -> None:
    assert steps_of(text) == steps


def test_what_has_an_answer_and_steps_is_asked_about_in_the_words_of_the_prompt() -> None:
    asked = candidates(ROWS, {"p1": PROBLEM})
    assert [(c.row.index, c.parsed, c.right) for c in asked] == [
        (0, "yes", True),
        (1, "no", False),
        (5, "yes", True),
    ]
    questions = support_questions(asked, ENTAILS)
    assert [q.problem_id for q in questions] == ["p1/t/cot/0", "p1/t/cot/1", "p1/t/cot/5"]
    assert {q.split for q in questions} == {"train"}
    told = "Question: Is it so?\n\nSomebody reasoned:\nAnn hikes.\nSo Ann rests.\n\n"
    assert questions[1].text.startswith(f"{told}From this they answered: no\n")
    assert "The answer is no.\n" not in questions[1].text.removesuffix('or "The answer is no."')


def right_ones(count: int, problem: str = "p1") -> list[Candidate]:
    rows = [sample(f"Ann has {i} bikes. The answer is yes.", problem, i) for i in range(count)]
    return candidates(rows, {problem: replace(PROBLEM, problem_id=problem)})


def test_pairs_are_of_right_rationales_of_one_problem_by_a_hash_of_their_ids() -> None:
    several = [*right_ones(5), *right_ones(2, "p0"), *candidates(ROWS[1:2], {"p1": PROBLEM})]
    names = [tuple(c.row.rationale_id for c in pair) for pair in contests(several, 9)]
    order = sorted((f"p1/t/cot/{i}" for i in range(5)), key=lambda key: short_hash("contest", key))
    other = sorted((f"p0/t/cot/{i}" for i in range(2)), key=lambda key: short_hash("contest", key))
    assert names == [tuple(other), tuple(order[:2]), tuple(order[2:4])]  # the fifth has no partner
    assert [tuple(c.row.rationale_id for c in p) for p in contests(several[::-1], 1)] == names[:2]
    same = [replace(c, row=replace(c.row, text="A. The answer is yes.")) for c in right_ones(2)]
    assert contests(same, 9) == []


def test_a_pair_is_shown_in_both_orders() -> None:
    asked = right_ones(2)
    (one, other) = (c.row for c in contests(asked, 1)[0])
    first, second = contest_questions(asked, SOUNDER, 1)
    assert first.problem_id == f"{one.rationale_id}|{other.rationale_id}"
    assert second.problem_id == f"{other.rationale_id}|{one.rationale_id}"
    shown = f"The first explanation:\n{one.text}\n\nThe second explanation:\n{other.text}\n"
    assert shown in first.text and shown not in second.text


def test_replies_become_opinions() -> None:
    replies = [
        replace(sample("Yes.", key, teacher="j"), split="dev") for key in ("p1/t/cot/0", "a/t/b/0|a/t/b/1")
    ]
    assert opinions(replies) == [opinion("p1/t/cot/0", "Yes."), opinion("a/t/b/0", "Yes.", "a/t/b/1")]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (opinion("a", "It does. The answer is yes."), "yes"),
        (opinion("a", "The answer is **No**"), "no"),
        (opinion("a", "Yes."), "unparsed"),
        (opinion("a", "The answer is first."), "unparsed"),
        (opinion("a", "The answer is yes. But", finish="length"), "unparsed"),
        (opinion("a", "", finish="prompt_too_long"), "unparsed"),
        (opinion("a", "The answer is second.", "b"), "second"),
        (opinion("a", "The answer is yes.", "b"), "unparsed"),
    ],
)
def test_replies_are_read(given: Opinion, expected: str) -> None:
    assert said(given) == expected
    assert supports([given]) == ({} if given.against else {"a": expected})


FIRST, SECOND, HM = "The answer is first.", "The answer is second.", "Hm."


@pytest.mark.parametrize(
    ("there", "back", "end"),
    [
        pytest.param(FIRST, SECOND, "a", id="a both times"),
        pytest.param(SECOND, FIRST, "b", id="b both times"),
        pytest.param(FIRST, FIRST, "split", id="the place decides"),
        pytest.param(SECOND, SECOND, "split", id="the other place decides"),
        pytest.param(FIRST, HM, "unparsed", id="one cannot be read"),
        pytest.param(HM, HM, "unparsed", id="neither can"),
    ],
)
def test_a_comparison_counts_only_where_both_orders_agree(there: str, back: str, end: str) -> None:
    both = [opinion("b", back, "a"), opinion("a", there, "b")]
    assert outcomes(both) == {("a", "b"): end}
    names = {"a": ("better", "worse"), "b": ("worse", "better")}
    rows = [replace(row, rationale_id=key) for key, row in zip("abc", verified(ROWS[:3]), strict=True)]
    expected = names.get(end, (end, end))
    assert [row.preference for row in heard(rows, both)] == [*expected, ""]


def test_an_opinion_is_told_of_its_rationale_and_leaves_the_others() -> None:
    rows = verified(ROWS[:3])
    given = [opinion("p1/t/cot/0", "The answer is no."), opinion("p1/t/cot/1", "Hm.")]
    assert [row.support for row in heard(rows, given)] == ["no", "unparsed", ""]
    assert [replace(row, support="") for row in heard(rows, given)] == rows


WHOLE = [opinion(f"p1/t/cot/{i}", "The answer is yes.") for i in (0, 1, 5)]
PAIR = [opinion("p1/t/cot/0", FIRST, "p1/t/cot/5"), opinion("p1/t/cot/5", FIRST, "p1/t/cot/0")]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (WHOLE[:2], r"rationale p1/t/cot/5: no opinion\. Fix: judge again"),
        ([*WHOLE, WHOLE[0]], r"p1/t/cot/0 : 2 opinions instead of one"),
        ([*WHOLE, opinion("p9/t/cot/0", "")], "p9/t/cot/0: not among the rationales"),
        ([*WHOLE, PAIR[0]], "p1/t/cot/0 p1/t/cot/5: compared in one order"),
        ([*WHOLE, opinion("p1/t/cot/0", "", "p9/t/cot/0")], "p9/t/cot/0: not among the rationales"),
    ],
)
def test_opinions_that_lack_or_are_strange_are_refused(given: list[Opinion], told: str) -> None:
    check_opinions([*WHOLE, *PAIR], verified(ROWS))
    with pytest.raises(DataError, match=told):
        check_opinions(given, verified(ROWS))


def test_the_card_tells_right_from_wrong_and_the_favour_for_a_place() -> None:
    rows = verified([*ROWS, sample(WRONG, index=6, teacher="u")])
    given = [
        opinion("p1/t/cot/0", "The answer is yes."),
        opinion("p1/t/cot/1", "The answer is no."),
        opinion("p1/t/cot/5", "Hm."),
        opinion("p1/u/cot/6", "The answer is yes."),
        *PAIR,
        *[opinion("p1/t/cot/1", SECOND, "p1/u/cot/6"), opinion("p1/u/cot/6", FIRST, "p1/t/cot/1")],
        *[opinion("p1/t/cot/1", HM, "p1/t/cot/0"), opinion("p1/t/cot/0", SECOND, "p1/t/cot/1")],
    ]
    # Readable replies to comparisons: first, first; second, first; second. Three of five name the first.
    assert about_judging(rows, given) == {
        "support": [
            {
                "judge": "j",
                "teacher": "t",
                "asked": 3,
                "right": {"unparsed": 1, "yes": 1},
                "wrong": {"no": 1},
            },
            {"judge": "j", "teacher": "u", "asked": 1, "right": {}, "wrong": {"yes": 1}},
        ],
        "comparisons": {"pairs": 3, "agreed": 1, "split": 1, "unparsed": 1, "first_share": 3 / 5},
    }
    assert about_judging(rows, given[:1])["comparisons"]["first_share"] is None


def test_a_judge_replies_once_at_its_own_temperature() -> None:
    teacher = {"samples": 6, "temperature": 0.7, "seed": 3}
    alone = JudgeSettings(None, 0.0, "entails", None)
    assert alone.once(teacher) == {"samples": 1, "temperature": 0.0, "seed": 3}
    assert (alone.pairs(), replace(alone, compare={"prompt": "sounder", "pairs": 2}).pairs()) == (0, 2)
