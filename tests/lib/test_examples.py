"""Which problems of train are shown solved: never the asked one's group, the nearest kind first."""

from collections import Counter
from dataclasses import replace

import pytest

from workflow.lib.errors import DataError
from workflow.lib.examples import Examples, ExampleSettings
from workflow.lib.records import Problem

FOUR = ExampleSettings(count=4, seed=17)


def problem(key: str, rule: int = 1, category: str = "propositional", group: str = "") -> Problem:
    return Problem(
        problem_id=key,
        group_id=group or f"g{key}",
        dataset="logic",
        category=category,
        rule=f"rule_{rule}",
        context="",
        question=key,
        choices=["yes", "no"],
        answer="yes",
        verifier="gold",
        instance="",
        planted="",
        source="made:1",
    )


# Twelve problems of rule 1, two of rule 2 and three of another category: 17, each of its own group.
TRAIN = [
    *[problem(f"a{i}") for i in range(12)],
    *[problem(f"b{i}", rule=2) for i in range(2)],
    *[problem(f"c{i}", rule=3, category="first_order") for i in range(3)],
]


def names(train: list[Problem], asked: Problem, settings: ExampleSettings = FOUR) -> list[str]:
    return [example.question for example in Examples(train, settings).of(asked)]


def test_examples_are_as_many_as_told_and_of_the_rule_of_the_asked() -> None:
    found = names(TRAIN, problem("x"))
    assert len(set(found)) == 4 and {name[0] for name in found} == {"a"}


def test_where_the_rule_has_too_few_its_category_follows_and_then_the_rest() -> None:
    assert [name[0] for name in names(TRAIN, problem("x", rule=2))] == ["b", "b", "a", "a"]
    of_other = names(TRAIN, problem("x", rule=9, category="first_order"))
    assert [name[0] for name in of_other[:3]] == ["c", "c", "c"] and of_other[3][0] in "ab"
    assert len(names(TRAIN, problem("x", rule=9, category="none"))) == 4


def test_no_example_shares_the_group_of_the_asked_or_of_another_example() -> None:
    twins = [problem(f"{p.problem_id}-not", group=p.group_id) for p in TRAIN[:12]]
    for asked in [*TRAIN[:12], *twins]:
        found = names(TRAIN + twins, asked)
        groups = [name.removesuffix("-not") for name in found]
        assert len(set(groups)) == 4 and asked.problem_id.removesuffix("-not") not in groups


def test_all_but_the_own_group_can_be_taken_and_one_more_is_too_many() -> None:
    everything = ExampleSettings(count=16, seed=17)
    assert sorted(names(TRAIN, TRAIN[0], everything)) == sorted(p.question for p in TRAIN[1:])
    with pytest.raises(DataError, match=r"expected 17 groups .* beside that of a0, found 16\. Fix: lower"):
        names(TRAIN, TRAIN[0], ExampleSettings(count=17, seed=17))


def test_problems_without_gold_are_no_examples() -> None:
    puzzles = [replace(p, answer=None, verifier="ordering") for p in TRAIN[:12]]
    found = names([*puzzles, *TRAIN[12:]], problem("x"))
    assert len(found) == 4 and not [name for name in found if name[0] == "a"]
    with pytest.raises(DataError, match="found 0"):
        names(puzzles, problem("x"))


def test_the_choice_depends_on_the_seed_and_the_asked_problem_and_on_nothing_else() -> None:
    first = names(TRAIN, problem("x"))
    assert names(TRAIN[::-1], problem("x")) == first
    others = {tuple(names(TRAIN, problem("x"), ExampleSettings(4, seed))) for seed in range(10)}
    assert len(others) > 5
    used = Counter(name for i in range(200) for name in names(TRAIN, problem(f"x{i}")))
    assert len(used) == 12 and max(used.values()) < 4 * min(used.values())  # 200 · 4 / 12 = 67 each


def test_an_example_shows_its_question_and_its_answer() -> None:
    (example,) = Examples([replace(TRAIN[0], context="It rains.")], ExampleSettings(1, 0)).of(problem("x"))
    assert (example.context, example.question, example.choices, example.answer) == (
        "It rains.",
        "a0",
        ["yes", "no"],
        "yes",
    )
