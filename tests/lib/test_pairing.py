"""What a problem's samples give to SFT rows, pairs and prompts."""

from dataclasses import replace

import pytest

from tests.lib.test_verification import NO, PROBLEM, YES, sample
from workflow.lib.pairing import (
    STRATEGIES,
    Asked,
    Caps,
    Sides,
    ambiguous_problems,
    by_problem,
    choose,
    draw,
    funnel,
    gold_vs_wrong,
    lengths,
    pair_rows,
    prompt_rows,
    right_vs_wrong,
    sft_rows,
)
from workflow.lib.verification import verify

MANY = Caps(max_sft=9, max_pairs=99, seed=5)
GOAL = replace(PROBLEM, choices=["Use a sieve.", "Use a spoon.", "Use a fork."], answer="Use a sieve.")


def chosen(good: list[str], bad: list[str], caps: Caps = MANY) -> Asked:
    return choose(PROBLEM, "train", "Is it so?", Sides(good, bad), caps)


def test_right_vs_wrong_takes_only_finished_samples_with_an_answer() -> None:
    rows = [sample(YES + " \n"), sample(NO), sample("Hm."), sample(YES, finish="length"), sample("")]
    sides = right_vs_wrong(PROBLEM, verify(rows, {"p1": PROBLEM}, 0.0))
    assert sides == Sides(good=[YES], bad=[NO])


def test_gold_vs_wrong_takes_the_texts_of_the_choices() -> None:
    assert gold_vs_wrong(GOAL, []) == Sides(good=["Use a sieve."], bad=["Use a spoon.", "Use a fork."])
    assert gold_vs_wrong(replace(GOAL, answer=None), []) == Sides([], [])
    assert set(STRATEGIES) == {"right_vs_wrong", "gold_vs_wrong"}


def test_every_pair_is_one_good_and_one_bad_text() -> None:
    found = chosen(["a", "b"], ["x", "y", "z"])
    assert sorted(found.pairs) == [(g, b) for g in "ab" for b in "xyz"]
    assert found.completions == ["a", "b"]


def test_repetitions_and_texts_on_both_sides_are_left_out() -> None:
    found = chosen(["a", "a", "b"], ["b", "x", "x"])
    assert found.completions == ["a"]
    assert found.pairs == [("a", "x")]
    assert (found.good, found.distinct_good, found.possible_pairs) == (3, 1, 1)


@pytest.mark.parametrize(("good", "bad"), [(["a"], []), ([], ["x"]), ([], [])])
def test_a_problem_with_one_side_only_gives_no_pair(good: list[str], bad: list[str]) -> None:
    assert chosen(good, bad).pairs == []


def test_caps_hold_and_the_draw_depends_on_seed_and_problem_only() -> None:
    good, bad = list("abcdef"), list("uvwxyz")
    caps = Caps(max_sft=2, max_pairs=3, seed=5)
    first = chosen(good, bad, caps)
    assert (len(first.completions), len(set(first.pairs))) == (2, 3)
    assert first == chosen(good, bad, caps)
    others = [chosen(good, bad, replace(caps, seed=seed)).pairs for seed in range(20)]
    assert len({tuple(pairs) for pairs in others}) > 15


def test_a_draw_reaches_every_item() -> None:
    drawn = [draw("abcd", 1, seed, "p1")[0] for seed in range(100)]
    assert {item: drawn.count(item) > 10 for item in "abcd"} == dict.fromkeys("abcd", True)  # 25 expected
    assert draw("abcd", 9, 1, "p1") == list("abcd")


def test_rows_carry_the_students_prompt_and_the_group() -> None:
    asked = [chosen(["a", "b"], ["x"])]
    sft, pairs, prompts = sft_rows(asked), pair_rows(asked), prompt_rows(asked)
    assert [(r.row_id, r.prompt, r.completion) for r in sft] == [
        ("p1/sft/0", "Is it so?", "a"),
        ("p1/sft/1", "Is it so?", "b"),
    ]
    assert [(r.row_id, r.chosen, r.rejected) for r in pairs] == [
        ("p1/pair/0", "a", "x"),
        ("p1/pair/1", "b", "x"),
    ]
    assert {(r.group_id, r.split, r.category) for r in [*sft, *pairs, *prompts]} == {
        ("g1", "train", "propositional")
    }
    assert (prompts[0].choices, prompts[0].answer, prompts[0].verifier) == (["yes", "no"], "yes", "gold")


def test_ambiguous_problems_are_those_marked_at_verification() -> None:
    problems = {"p1": PROBLEM, "p2": replace(PROBLEM, problem_id="p2")}
    rows = [sample(YES), sample(NO, index=1), sample(YES, "p2"), sample(YES, "p2", 1)]
    groups = by_problem(verify(rows, problems, 0.6))
    assert {key: len(group) for key, group in groups.items()} == {"p1": 2, "p2": 2}
    assert ambiguous_problems(groups) == {"p1"}


def test_the_funnel_goes_from_problems_to_rows() -> None:
    caps = Caps(max_sft=1, max_pairs=1, seed=5)
    asked = [chosen(["a", "a", "b"], ["x"], caps), chosen([], ["x"], caps), chosen(["c"], [], caps)]
    assert [(s["step"], s["rows_in"], s["rows_out"]) for s in funnel(5, asked)] == [
        ("prompts", 5, 3),
        ("problems with a good completion", 3, 2),
        ("distinct good completions", 4, 3),
        ("sft", 3, 2),
        ("problems with a pair", 3, 1),
        ("pairs", 2, 1),
    ]


def test_lengths() -> None:
    assert lengths(["ab cd", "e", "f g h i"]) == {
        "texts": 3,
        "mean_characters": (5 + 1 + 7) / 3,
        "median_characters": 5,
        "mean_words": (2 + 1 + 4) / 3,
        "median_words": 2,
    }
