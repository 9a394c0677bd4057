"""Splits: groups stay whole, places never move, duplicates and conflicts are found."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.lib.records import Problem, group_id, problem_id
from workflow.lib.splits import Shares, apart, position, split_of, without_duplicates


def problem(context: str, question: str, answer: str = "yes", row: int = 1) -> Problem:
    source = f"file row {row}"
    return Problem(
        problem_id=problem_id("d", source, context, question),
        group_id=group_id("d", context),
        dataset="d",
        category="propositional",
        rule="modus_tollens",
        context=context,
        question=question,
        choices=["yes", "no"],
        answer=answer,
        verifier="gold",
        instance="",
        planted="",
        source=source,
    )


def test_shares_come_out_as_asked():
    shares = Shares(seed=1, dev=0.2, test=0.3)
    found = [split_of(f"g{i}", "all", shares) for i in range(4000)]
    # binomial: sd = sqrt(0.3 * 0.7 / 4000) = 0.0072, four of them 0.029
    assert found.count("test") / 4000 == pytest.approx(0.3, abs=0.029)
    assert found.count("dev") / 4000 == pytest.approx(0.2, abs=0.026)


def test_sources_enter_only_the_splits_they_may():
    shares = Shares(seed=1, dev=0.2, test=0.5)
    groups = [f"g{i}" for i in range(2000)]
    assert {split_of(g, "test", shares) for g in groups} == {"test"}
    train = [split_of(g, "train", shares) for g in groups]
    # dev is 0.2 of all, thus 0.2 / (1 - 0.5) = 0.4 of what is not test
    assert "test" not in train and train.count("dev") / 2000 == pytest.approx(0.4, abs=0.044)


@given(st.lists(st.text(min_size=1), unique=True), st.text(min_size=1), st.integers(0, 9))
def test_more_rows_never_move_a_group(groups, added, seed):
    shares = Shares(seed=seed, dev=0.2, test=0.3)
    before = {g: split_of(g, "all", shares) for g in groups}
    after = {g: split_of(g, "all", shares) for g in [*groups, added]}
    assert {g: after[g] for g in groups} == before
    assert 0.0 <= position(seed, added) < 1.0


def test_the_same_context_written_otherwise_is_the_same_group():
    assert group_id("d", "It  rains.") == group_id("d", "it rains. ") != group_id("d", "It snows.")


def test_duplicates_go_and_conflicts_take_both():
    rows = [
        problem("It rains.", "Wet?", "yes", 1),
        problem("it  rains.", "wet?", "yes", 2),  # a repeat of row 1
        problem("It snows.", "White?", "yes", 3),
        problem("It snows.", "White?", "no", 4),  # contradicts row 3
        problem("It snows.", "Cold?", "no", 5),
    ]
    kept, repeats, conflicts = without_duplicates(rows)
    assert [p.source for p in kept] == ["file row 1", "file row 5"]
    assert repeats == 1 and conflicts == ["file row 3", "file row 4"]
    assert len(kept) + repeats + len(conflicts) == len(rows)


def test_a_group_of_test_leaves_train_and_dev():
    shared, own = problem("It rains.", "Wet?"), problem("It snows.", "Cold?")
    other = replace(shared, problem_id="p2", question="Dry?")
    clean, gone = apart({"train": [shared, own], "dev": [], "test": [other]})
    assert clean == {"train": [own], "dev": [], "test": [other]} and gone == 1
