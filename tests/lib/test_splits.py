"""Splits: shares come out as asked, and the place of a group never moves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.lib.records import group_id
from workflow.lib.splits import DEV, SPLITS, TEST, TRAIN, Shares, position, split_of, splits_of

GROUPS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50, unique=True)


def split(groups: list[int], into: str, shares: Shares) -> list[int]:
    return splits_of(np.array(groups, dtype=np.uint64), np.full(len(groups), into), shares).tolist()


def test_shares_come_out_as_asked():
    found = split(list(range(4000)), "all", Shares(seed=1, dev=0.2, test=0.3))
    # binomial: sd = sqrt(0.3 * 0.7 / 4000) = 0.0072, four of them 0.029
    assert found.count(TEST) / 4000 == pytest.approx(0.3, abs=0.029)
    assert found.count(DEV) / 4000 == pytest.approx(0.2, abs=0.026)


def test_sources_enter_only_the_splits_they_may():
    shares = Shares(seed=1, dev=0.2, test=0.5)
    groups = list(range(2000))
    assert set(split(groups, "test", shares)) == {TEST}
    everywhere, training = split(groups, "all", shares), split(groups, "train", shares)
    # what would be in test is in train; dev is the same groups, so that sources can be joined
    assert training == [TRAIN if place == TEST else place for place in everywhere]
    assert {TRAIN, DEV} == set(training)


@pytest.mark.parametrize("into", ["all", "train", "test"])
def test_the_split_of_a_group_is_known_before(into):
    shares = Shares(seed=1, dev=0.2, test=0.5)
    groups = list(range(400))
    told = [SPLITS.index(split_of(f"g{group:016x}", into, shares)) for group in groups]
    assert told == split(groups, into, shares)


@given(GROUPS, st.integers(0, 2**64 - 1), st.integers(0, 9))
def test_more_rows_never_move_a_group(groups, added, seed):
    shares = Shares(seed=seed, dev=0.2, test=0.3)
    assert split([*groups, added], "all", shares)[: len(groups)] == split(groups, "all", shares)
    assert 0.0 <= position(seed, f"g{added:016x}") < 1.0


def test_the_same_context_written_otherwise_is_the_same_group():
    assert group_id("d", "It  rains.") == group_id("d", "it rains. ") != group_id("d", "It snows.")
