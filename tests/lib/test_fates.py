"""What becomes of rows: every reason by hand, and what must hold for any rows in any order."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.lib.facts import facts_of, join
from workflow.lib.fates import CODES, SourceRule, decide
from workflow.lib.records import Problem, group_id, problem_id
from workflow.lib.splits import SPLITS, Shares, position

ALL = SourceRule("all", None, None)
SHARES = Shares(seed=1, dev=0.2, test=0.3)
NAMES = [*SPLITS, *CODES]
LONG = "Ann gets up early and waters the plants before she goes to work in the old mill by the river"


def problem(context: str, question: str, answer: str = "yes", rule: str = "modus_tollens") -> Problem:
    return Problem(
        problem_id=problem_id("d", context, question),
        group_id=group_id("d", context),
        dataset="d",
        category="propositional",
        rule=rule,
        context=context,
        question=question,
        choices=["yes", "no"],
        answer=answer,
        verifier="gold",
        instance="",
        planted="",
        source="file row 1",
    )


def fates(
    *sources: tuple[list[Problem], SourceRule], near: float = 0.8, shares: Shares = SHARES
) -> list[str]:
    """Return the fate of every problem by name, in the order given."""
    facts = join([facts_of(problems, index, 3) for index, (problems, _) in enumerate(sources)])
    return [NAMES[code] for code in decide(facts, [rule for _, rule in sources], shares, near).fate]


def context_in(split: str, shares: Shares = SHARES, start: int = 0) -> str:
    """Return a context whose group the seed puts into ``split``."""
    bounds = {"test": (0.0, shares.test), "dev": (shares.test, shares.test + shares.dev), "train": (0.5, 1.0)}
    low, high = bounds[split]
    names = (f"Context {number}." for number in range(start, 10_000))
    return next(name for name in names if low <= position(shares.seed, group_id("d", name)) < high)


@pytest.mark.parametrize("split", SPLITS)
def test_a_group_goes_where_its_place_says(split):
    context = context_in(split)
    assert fates(([problem(context, "One?"), problem(context, "Two?")], ALL)) == [split, split]


def test_duplicates_go_and_conflicts_take_both():
    rain, snow = context_in("train"), context_in("train", start=500)
    rows = [
        problem(rain, "Wet?"),
        problem(rain.upper(), "wet? "),  # the same apart from case and spacing
        problem(snow, "White?", "yes"),
        problem(snow, "White?", "no"),
        problem(snow, "Cold?", "no"),
    ]
    found = fates((rows, ALL))
    assert sorted(found[:2]) == ["duplicates", "train"]
    assert found[2:] == ["conflicts", "conflicts", "train"]


def test_a_row_of_test_stays_before_the_same_row_of_train():
    row = problem(context_in("train"), "Wet?")
    train, test = SourceRule("train", None, None), SourceRule("test", None, None)
    assert fates(([row], train), ([row], test)) == ["duplicates", "test"]


def test_a_group_of_test_leaves_train_and_dev():
    train, test = SourceRule("train", None, None), SourceRule("test", None, None)
    for split in ("train", "dev"):
        context = context_in(split)
        rows = [problem(context, "One?"), problem(context_in(split, start=500), "Two?")]
        assert fates((rows, train), ([problem(context, "Three?")], test)) == ["leakage", split, "test"]


def test_a_source_that_may_not_enter_test_gives_its_rows_to_train():
    for split, expected in {"test": "train", "dev": "dev", "train": "train"}.items():
        assert fates(([problem(context_in(split), "One?")], SourceRule("train", None, None))) == [expected]


def test_limits_keep_the_rows_with_the_smallest_ids():
    context = context_in("train")
    rows = [problem(context, f"Question {i}?", rule="ab"[i % 2]) for i in range(10)]
    found = fates((rows, SourceRule("all", 2, None)), near=1.0)
    for rule in "ab":
        ids = sorted(row.problem_id for row in rows if row.rule == rule)[:2]
        kept = {
            r.problem_id for r, fate in zip(rows, found, strict=True) if fate == "train" and r.rule == rule
        }
        assert kept == set(ids)
    assert found.count("limits") == 6
    assert fates((rows, SourceRule("all", None, 3)), near=1.0).count("limits") == 7


def near_rows(first: str, second: str, answers: tuple[str, str]) -> list[Problem]:
    """Return two rows of groups in the splits named, of the same words but one."""
    found = {}
    for split, word in ((first, "mill"), (second, "barn")):
        texts = (LONG.replace("mill", word) + "." * dots for dots in range(1, 200))
        found[word] = next(t for t in texts if NAMES[_split(t)] == split and t not in found.values())
    return [problem(found["mill"], "Wet?", answers[0]), problem(found["barn"], "Wet?", answers[1])]


def _split(context: str) -> int:
    place = position(SHARES.seed, group_id("d", context))
    return 2 if place < SHARES.test else 1 if place < SHARES.test + SHARES.dev else 0


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (("train", "test"), ["near duplicates", "test"]),
        (("dev", "test"), ["near duplicates", "test"]),
        (("train", "dev"), ["near duplicates", "dev"]),
        (("test", "test"), ["test", "test"]),
    ],
)
def test_of_near_duplicates_the_one_held_out_stays(splits, expected):
    # 23 words with question and choices: 21 n-grams each, of which 3 differ: 18 / 24 = 0.75
    assert fates((near_rows(*splits, ("yes", "yes")), ALL), near=0.75) == expected
    assert fates((near_rows(*splits, ("yes", "yes")), ALL), near=0.76) == list(splits)


def test_near_duplicates_in_train_leave_one():
    assert sorted(fates((near_rows("train", "train", ("yes", "yes")), ALL), near=0.75)) == [
        "near duplicates",
        "train",
    ]


def test_near_twins_with_other_answers_stay_and_are_told():
    rows = near_rows("train", "test", ("yes", "no"))
    decision = decide(facts_of(rows, 0, 3), [ALL], SHARES, 0.75)
    assert [NAMES[code] for code in decision.fate] == ["train", "test"]
    assert (decision.near.first.tolist(), decision.near.second.tolist()) == ([1], [0])
    assert decision.same_label.tolist() == [False]


WORDS = ["Ann", "Bob", "sees", "hears", "a", "cat", "dog"]
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)
PROBLEMS = st.lists(st.builds(problem, TEXTS, TEXTS, st.sampled_from(["yes", "no"])), min_size=1, max_size=25)


def outcome(problems: list[Problem]) -> set[tuple[str, str, str]]:
    found = fates((problems, ALL))
    return {
        (p.problem_id, p.label(), fate) for p, fate in zip(problems, found, strict=True) if fate in SPLITS
    }


@settings(max_examples=50)
@given(PROBLEMS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(problems: list[Problem], rng: random.Random):
    shuffled = rng.sample(problems, len(problems))
    assert outcome(problems) == outcome(shuffled)


@settings(max_examples=50)
@given(PROBLEMS)
def test_what_stays_stays_when_it_is_read_again(problems):
    found = fates((problems, ALL))
    kept = [p for p, fate in zip(problems, found, strict=True) if fate in SPLITS]
    assert {(p, label, fate) for p, label, fate in outcome(kept)} == outcome(problems) if kept else True


@settings(max_examples=50)
@given(PROBLEMS, PROBLEMS)
def test_more_rows_never_move_a_row_to_another_split(problems, more):
    before = {pid: fate for pid, _, fate in outcome(problems)}
    after = {pid: fate for pid, _, fate in outcome(problems + more)}
    assert all(after[pid] == before[pid] for pid in before.keys() & after.keys())


@settings(max_examples=50)
@given(PROBLEMS)
def test_no_group_is_on_two_sides(problems):
    groups: dict[str, set[str]] = {}
    for p, fate in zip(problems, fates((problems, ALL)), strict=True):
        if fate in SPLITS:
            groups.setdefault(p.group_id, set()).add(fate)
    assert all(len(sides) == 1 for sides in groups.values())


def test_verified_puzzles_with_other_solutions_are_no_conflict():
    row = problem(context_in("train"), "Order them.", "Ann, Bob")
    rows = [replace(row, verifier="ordering", answer=a, choices=[]) for a in ("Ann, Bob", "Bob, Ann")]
    assert sorted(fates((rows, ALL))) == ["duplicates", "train"]


def test_puzzles_that_differ_by_a_word_are_both_kept():
    words = "Ann is before Bob and Bob is before Cy and Cy is before Dee and Dee is before the last one, Eve"
    rows = [
        replace(
            problem(text, "Order them.", "x"), verifier="ordering", instance=text, choices=[], answer=None
        )
        for text in (words, words.replace("Eve", "Ann"))
    ]
    decision = decide(facts_of(rows, 0, 3), [ALL], SHARES, 0.75)
    assert all(NAMES[code] in SPLITS for code in decision.fate)
    assert decision.same_label.tolist() == [False]


def test_codes_go_on_from_the_splits():
    assert sorted(CODES.values()) == list(np.arange(len(CODES)) + len(SPLITS))
