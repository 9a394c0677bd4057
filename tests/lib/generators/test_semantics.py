"""What follows from what, decided by models."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.lib.generators.semantics import components, verdict

A, B, C = (("atom", letter) for letter in "abc")
ODD = ("abnormal", "tom")


@pytest.mark.parametrize(
    ("premises", "question", "expected"),
    [
        pytest.param([("if", A, B), A], B, True, id="modus ponens"),
        pytest.param([("if", A, B), ("not", B)], A, False, id="modus tollens"),
        pytest.param([("if", A, B), B], A, None, id="affirming the consequent settles nothing"),
        pytest.param([("if", A, B), ("not", A)], B, None, id="denying the antecedent settles nothing"),
        pytest.param([("or", A, B), ("not", A)], B, True, id="disjunctive syllogism"),
        pytest.param([("or", A, B), A], B, None, id="or is not exclusive"),
        pytest.param([("if", A, B), ("if", B, C), A], ("and", B, C), True, id="chain"),
        pytest.param([A], C, None, id="nothing said of it"),
        pytest.param([], ("or", A, ("not", A)), True, id="tautology"),
        pytest.param([A, ("if", ("and", A, ("not", ODD)), B)], B, True, id="default"),
        pytest.param([A, ("if", ("and", A, ("not", ODD)), B), ODD], B, None, id="exception"),
        pytest.param([A, ("if", ("and", A, ("not", ODD)), B), ("not", B)], B, False, id="fact beats default"),
    ],
)
def test_verdict(premises: list[tuple], question: tuple, expected: bool | None) -> None:
    assert verdict(premises, question) is expected


def test_two_witnesses_of_the_same_rank_settle_nothing_and_a_ranking_does() -> None:
    ann, ben = ("abnormal", "ann"), ("abnormal", "ben")
    claims = [("or", ann, A), ("or", ben, ("not", A))]
    assert verdict(claims, A) is None  # one of the two errs: {ann} and {ben} are equally small
    assert verdict([*claims, ("if", ann, ben)], A) is True  # {ben} is smaller than {ann, ben}


def test_contradictory_premises_are_refused_even_away_from_the_question() -> None:
    with pytest.raises(ValueError, match="contradictory"):
        verdict([A, B, ("not", B)], A)


def test_components_share_no_atom() -> None:
    groups = components([("if", A, B), C, ("not", B)])
    assert sorted(map(len, groups)) == [1, 2]
    assert [C] in groups


FORMULAS = st.recursive(
    st.sampled_from([A, B, C]),
    lambda part: st.one_of(
        st.tuples(st.just("not"), part),
        st.tuples(st.sampled_from(["and", "or"]), part, part),
        st.tuples(st.just("if"), part, part),
    ),
    max_leaves=6,
)


def holds(formula: tuple, world: dict[tuple, bool]) -> bool:
    """Evaluate ``formula`` in one world, the slow and obvious way."""
    if formula in world:
        return world[formula]
    parts = [holds(part, world) for part in formula[1:]]
    return {
        "not": lambda: not parts[0],
        "and": lambda: all(parts),
        "or": lambda: any(parts),
        "if": lambda: not parts[0] or parts[1],
    }[formula[0]]()


@given(st.lists(FORMULAS, max_size=3), FORMULAS)
def test_verdict_agrees_with_going_through_the_worlds_one_by_one(
    premises: list[tuple], question: tuple
) -> None:
    worlds = [dict(zip((A, B, C), values, strict=True)) for values in product((True, False), repeat=3)]
    models = [world for world in worlds if all(holds(f, world) for f in premises)]
    if not models:
        with pytest.raises(ValueError, match="contradictory"):
            verdict(premises, question)
        return
    values = {holds(question, world) for world in models}
    assert verdict(premises, question) is (values.pop() if len(values) == 1 else None)
