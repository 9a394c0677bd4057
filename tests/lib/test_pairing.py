"""What a problem's good and bad completions give to SFT rows, pairs and prompts."""

from dataclasses import replace

import pytest

from tests.lib.test_verification import NO, PROBLEM, YES, sample
from workflow.lib.pairing import (
    MARGINS,
    PAIR_CHOICES,
    SFT_CHOICES,
    Asked,
    Choice,
    Crossed,
    ambiguous_problems,
    by_problem,
    choose,
    distinct,
    draw,
    funnel,
    gap,
    pair_rows,
    prompt_rows,
    sft_rows,
)
from workflow.lib.sides import STRATEGIES, Completion, Sides
from workflow.lib.verification import verify

MANY = Choice(max_sft=9, sft_length="none", max_pairs=99, pair_choice="random", seed=5)


def known(text: str, votes: float | None = None, logprob: float | None = None) -> Completion:
    return Completion(text, "p1", votes, logprob)


def chosen(good: list[str], bad: list[str], choice: Choice = MANY) -> Asked:
    return choose(PROBLEM, "train", "Is it so?", Sides([*map(known, good)], [*map(known, bad)]), choice)


def pairs(asked: Asked) -> list[tuple[str, str]]:
    return [(better.text, worse.text) for better, worse in asked.pairs]


def completions(asked: Asked) -> list[str]:
    return [found.text for found in asked.completions]


def test_every_pair_is_one_good_and_one_bad_text() -> None:
    found = chosen(["a", "b"], ["x", "y", "z"])
    assert pairs(found) == [(g, b) for g in "ab" for b in "xyz"]
    assert completions(found) == ["a", "b"]


def test_crossed_pairs_are_a_sequence() -> None:
    crossed = Crossed([known("a"), known("b")], [known("x"), known("y"), known("z")])
    assert len(crossed) == 6 and len(Crossed([], [known("x")])) == 0
    assert crossed[-1] == (known("b"), known("z"))
    assert [b.text for _, b in crossed[1:3]] == ["y", "z"]
    assert crossed[3] == (known("b"), known("x"))
    with pytest.raises(IndexError):
        crossed[6]


def test_repetitions_and_texts_on_both_sides_are_left_out() -> None:
    found = chosen(["a", "a", "b"], ["b", "x", "x"])
    assert completions(found) == ["a"]
    assert pairs(found) == [("a", "x")]
    assert (found.good, found.distinct_good, len(found.options)) == (3, 1, 1)


def test_of_equal_texts_the_likeliest_sample_counts_at_the_first_place() -> None:
    found = distinct(
        [known("a"), known("b", logprob=-1.0), known("a", logprob=-2.0), known("a", logprob=-3.0)]
    )
    assert [(c.text, c.logprob) for c in found] == [("a", -2.0), ("b", -1.0)]


@pytest.mark.parametrize(("good", "bad"), [(["a"], []), ([], ["x"]), ([], [])])
def test_a_problem_with_one_side_only_gives_no_pair(good: list[str], bad: list[str]) -> None:
    assert chosen(good, bad).pairs == []


def test_caps_hold_and_the_draw_depends_on_seed_and_problem_only() -> None:
    good, bad = list("abcdef"), list("uvwxyz")
    choice = replace(MANY, max_sft=2, max_pairs=3)
    first = chosen(good, bad, choice)
    assert (len(first.completions), len(set(first.pairs))) == (2, 3)
    again = chosen(good, bad, choice)
    assert (again.pairs, again.completions) == (first.pairs, first.completions)
    others = [pairs(chosen(good, bad, replace(choice, seed=seed))) for seed in range(20)]
    assert len({tuple(some) for some in others}) > 15


def test_a_draw_reaches_every_item() -> None:
    drawn = [draw("abcd", 1, seed, "p1")[0] for seed in range(100)]
    assert {item: drawn.count(item) > 10 for item in "abcd"} == dict.fromkeys("abcd", True)  # 25 expected
    assert draw("abcd", 9, 1, "p1") == list("abcd")


# --- choice by length and by log-probability --------------------------------------------------------------


def test_pairs_nearest_in_length_come_first() -> None:
    # words: good 1 and 4; bad 2, 4 and 9. Distances: 1-2: 1, 1-4: 3, 1-9: 8, 4-2: 2, 4-4: 0, 4-9: 5
    good, bad = ["g", "g g g g"], ["b b", "b b b b", " ".join("b" * 9)]
    nearest = replace(MANY, pair_choice="nearest_length")
    taken = [pairs(chosen(good, bad, replace(nearest, max_pairs=most))) for most in (1, 2, 3)]
    assert taken[0] == [("g g g g", "b b b b")]
    assert taken[1] == [("g", "b b"), ("g g g g", "b b b b")]  # in the order of the options
    assert set(taken[2]) == {*taken[1], ("g g g g", "b b")}


def test_the_hardest_negative_is_the_likeliest_wrong_sample() -> None:
    bad = [known("x", logprob=-2.0), known("y"), known("z", logprob=-0.5), known("w", logprob=-1.0)]
    sides = Sides([known("a", logprob=-9.0)], bad)
    hardest = [
        pairs(
            choose(
                PROBLEM, "train", "?", sides, replace(MANY, pair_choice="hardest_negative", max_pairs=most)
            )
        )
        for most in (1, 2, 3, 4)
    ]
    assert hardest[0] == [("a", "z")]
    assert hardest[1] == [("a", "z"), ("a", "w")]
    assert hardest[2] == [("a", "x"), ("a", "z"), ("a", "w")]
    assert ("a", "y") in hardest[3]  # unknown ranks last, and is not lost


@pytest.mark.parametrize("name", ["nearest_length", "hardest_negative"])
def test_equal_ranks_are_drawn_by_seed(name: str) -> None:
    choice = replace(MANY, pair_choice=name, max_pairs=1)
    taken = [pairs(chosen(["a"], ["w", "x", "y", "z"], replace(choice, seed=seed)))[0] for seed in range(60)]
    assert {bad for _, bad in taken} == {"w", "x", "y", "z"}
    assert pairs(chosen(["a"], ["w", "x", "y", "z"], choice)) == pairs(
        chosen(["a"], ["w", "x", "y", "z"], choice)
    )


FIVE = ["1 2 3", "1", "1 2 3 4 5", "1 2", "1 2 3 4"]  # words 3, 1, 5, 2, 4


@pytest.mark.parametrize(
    ("rule", "most", "expected"),
    [
        pytest.param("shortest", 2, ["1", "1 2"], id="the two shortest"),
        pytest.param("balanced", 1, ["1 2 3"], id="the median"),
        # sorted 1 … 5; parts of 2.5: numbers 5 // 4 = 1 and 15 // 4 = 3, that is 2 and 4 words
        pytest.param("balanced", 2, ["1 2", "1 2 3 4"], id="the middle of each half"),
        pytest.param("balanced", 9, FIVE, id="all there are"),
    ],
)
def test_completions_by_length(rule: str, most: int, expected: list[str]) -> None:
    assert completions(chosen(FIVE, [], replace(MANY, sft_length=rule, max_sft=most))) == expected


@pytest.mark.parametrize("rule", SFT_CHOICES)
def test_no_completion_is_no_completion(rule: str) -> None:
    assert completions(chosen([], ["x"], replace(MANY, sft_length=rule))) == []


def test_balanced_draws_among_equal_lengths() -> None:
    one = replace(MANY, sft_length="balanced", max_sft=1)
    assert {completions(chosen(list("abcd"), [], replace(one, seed=s)))[0] for s in range(60)} == set("abcd")


def test_gap_is_how_much_longer_chosen_is() -> None:
    assert gap((known("a b c"), known("x"))) == 2
    assert gap((known("a"), known("x y"))) == -1


# --- margins ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "better", "worse", "expected"),
    [
        ("none", known("a", 0.75, -1.0), known("x", 0.25, -3.0), None),
        ("votes", known("a", 0.75), known("x", 0.25), 0.5),
        ("votes", known("a", 0.25), known("x", 0.75), -0.5),
        ("votes", known("a", 0.25), known("x"), None),
        ("votes", known("a"), known("x", 0.25), None),
        ("logprob", known("a", logprob=-1.0), known("x", logprob=-3.0), 2.0),
        ("logprob", known("a"), known("x", logprob=-3.0), None),
        ("logprob", known("a", logprob=-1.0), known("x"), None),
    ],
)
def test_margins(rule: str, better: Completion, worse: Completion, expected: float | None) -> None:
    assert MARGINS[rule](better, worse) == expected
    asked = choose(PROBLEM, "train", "?", Sides([better], [worse]), MANY)
    assert [row.margin for row in pair_rows([asked], rule)] == [expected]


# --- rows -------------------------------------------------------------------------------------------------


def test_rows_carry_the_students_prompt_and_the_group() -> None:
    asked = [chosen(["a", "b"], ["x"])]
    sft, made, prompts = sft_rows(asked), pair_rows(asked, "none"), prompt_rows(asked)
    assert [(r.row_id, r.prompt, r.completion) for r in sft] == [
        ("p1/sft/0", "Is it so?", "a"),
        ("p1/sft/1", "Is it so?", "b"),
    ]
    assert [(r.row_id, r.chosen, r.rejected) for r in made] == [
        ("p1/pair/0", "a", "x"),
        ("p1/pair/1", "b", "x"),
    ]
    assert {(r.group_id, r.split, r.category) for r in [*sft, *made, *prompts]} == {
        ("g1", "train", "propositional")
    }
    assert (prompts[0].choices, prompts[0].answer, prompts[0].verifier) == (["yes", "no"], "yes", "gold")


def test_ambiguous_problems_are_those_marked_at_verification() -> None:
    problems = {"p1": PROBLEM, "p2": replace(PROBLEM, problem_id="p2")}
    rows = [sample(YES), sample(NO, index=1), sample(YES, "p2"), sample(YES, "p2", 1)]
    groups = by_problem(verify(rows, problems, 0.6))
    assert {key: len(group) for key, group in groups.items()} == {"p1": 2, "p2": 2}
    assert ambiguous_problems({**groups, "p3": []}) == {"p1"}


def test_the_funnel_goes_from_problems_to_rows() -> None:
    one = replace(MANY, max_sft=1, max_pairs=1)
    asked = [chosen(["a", "a", "b"], ["x"], one), chosen([], ["x"], one), chosen(["c"], [], one)]
    steps = funnel(5, asked, "nobody knows")
    assert [(s["step"], s["rows_in"], s["rows_out"]) for s in steps] == [
        ("prompts", 5, 3),
        ("problems with a good completion", 3, 2),
        ("distinct good completions", 4, 3),
        ("sft", 3, 2),
        ("problems with a pair", 3, 1),
        ("pairs", 2, 1),
    ]
    assert [s["reason"] for s in steps][1] == "nobody knows"
    assert all(s["reason"] for s in steps)


# --- as it was before there was a choice ------------------------------------------------------------------

NUMBERED = {
    "a": ["1. " + YES, "2. " + YES, "3. " + YES, "4. " + YES, "5. " + NO, "6. " + NO],
    "b": ["1. " + YES, "1. " + YES, "3. " + YES, "4. " + YES, "5. " + YES, "6. " + NO],
    "c": [NO, "2. " + NO, "3. " + YES, "4. " + NO, "Hm.", "6. " + NO],
}
DRAWN_SFT = [("a", "23"), ("b", "13"), ("c", "3")]
DRAWN_PAIRS = [("a", ["15", "25", "36"]), ("b", ["16", "36", "46"]), ("c", ["3I", "32", "36"])]


def test_draws_are_those_of_the_code_before_there_was_a_choice() -> None:
    """The expected numbers were printed by commit da1cd4e for these samples, 2 completions and 3 pairs."""
    problems = {key: replace(PROBLEM, problem_id=key) for key in NUMBERED}
    rows = [sample(text, key, i) for key, some in NUMBERED.items() for i, text in enumerate(some)]
    groups, take = by_problem(verify(rows, problems, 0.6)), STRATEGIES["right_vs_wrong"].sides
    as_now = replace(MANY, max_sft=2, max_pairs=3)
    asked = [choose(p, "train", "Is it?", take(p, groups[key], 0.0), as_now) for key, p in problems.items()]
    assert [(a.problem.problem_id, "".join(t[0] for t in completions(a))) for a in asked] == DRAWN_SFT
    assert [(a.problem.problem_id, [g[0] + b[0] for g, b in pairs(a)]) for a in asked] == DRAWN_PAIRS


def test_gold_pairs_are_those_of_the_code_before_there_was_a_choice() -> None:
    choices = ["Use a sieve.", "Use a spoon.", "Use a fork.", "Use a cup.", "Use a hat."]
    problem = replace(PROBLEM, choices=choices, answer="Use a fork.")
    sides = STRATEGIES["gold_vs_wrong"].sides(problem, [], 0.0)
    asked = choose(problem, "train", "Is it?", sides, replace(MANY, max_sft=2, max_pairs=3))
    assert completions(asked) == ["Use a fork."]
    assert [bad for _, bad in pairs(asked)] == ["Use a sieve.", "Use a spoon.", "Use a cup."]


def test_every_name_in_the_registries_is_known() -> None:
    assert set(PAIR_CHOICES) == {"random", "nearest_length", "hardest_negative"}
    assert set(SFT_CHOICES) == {"none", "shortest", "balanced"}
    assert set(MARGINS) == {"none", "votes", "logprob"}
    assert set(STRATEGIES) == {"right_vs_wrong", "gold_vs_wrong", "votes"}
