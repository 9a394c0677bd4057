"""Near duplicates: the index finds what brute force finds, and nothing else."""

import random
from itertools import combinations

import numpy as np
import pytest

from workflow.lib.duplicates import BANDS, band_keys, jaccard, near_pairs, rows_per_band
from workflow.lib.shingles import shingle, unique

WORDS = [f"w{i}" for i in range(400)]


def texts_with_copies(seed: int, originals: int, copies: int) -> list[str]:
    """Return random texts, and for some of them copies in which a few words are others."""
    rng = random.Random(seed)
    texts = [rng.choices(WORDS, k=rng.randint(15, 60)) for _ in range(originals)]
    for _ in range(copies):
        copy = list(rng.choice(texts[:originals]))
        for _ in range(rng.randint(0, 3)):
            copy[rng.randrange(len(copy))] = rng.choice(WORDS)
        texts.append(copy)
    return [" ".join(words) for words in texts]


def brute_force(texts: list[str], size: int, threshold: float) -> set[tuple[int, int]]:
    sets = []
    for text in texts:
        words = text.split()
        sets.append({tuple(words[i : i + size]) for i in range(len(words) - size + 1)})
    pairs = combinations(range(len(texts)), 2)
    return {(i, j) for i, j in pairs if len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= threshold}


def find(texts: list[str], threshold: float, groups: np.ndarray | None = None) -> set[tuple[int, int]]:
    sets, order = unique(shingle(texts, 3)), np.arange(len(texts))
    keys = band_keys(sets, rows_per_band(threshold))
    groups = order.astype(np.uint64) if groups is None else groups
    found = near_pairs(sets, keys, groups, order, threshold)
    assert (found.similarity >= threshold).all() and (found.first < found.second).all()
    return set(zip(found.first.tolist(), found.second.tolist(), strict=True))


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9])
def test_recall_against_brute_force(threshold):
    texts = texts_with_copies(seed=5, originals=300, copies=600)
    expected = brute_force(texts, 3, threshold)
    found = find(texts, threshold)
    assert len(expected) > 200 and found <= expected
    # Of rows that have an earlier one like them, nearly all are named with one: that is what dropping needs.
    late = {second for _, second in expected}
    assert len({second for _, second in found}) >= 0.98 * len(late)
    assert len(found) >= 0.95 * len(expected)


def test_a_thousand_copies_are_all_named_without_naming_every_pair():
    texts = [*texts_with_copies(seed=1, originals=50, copies=0), *["the same text over and over"] * 1000]
    found = find(texts, 0.8)
    assert {second for _, second in found} == set(range(51, 1050))  # all but the first of them
    assert len(found) < 5000  # of 499,500 pairs


def test_rows_of_a_group_are_not_compared():
    texts = ["one and the same text"] * 4
    groups = np.array([1, 1, 2, 2], dtype=np.uint64)
    assert find(texts, 0.8, groups) == {(0, 2), (0, 3), (1, 2), (1, 3)}


def test_texts_without_words_are_like_nothing():
    assert find(["", "?!", "..."], 0.5) == set()
    sets = unique(shingle(["", "a"], 2))
    assert jaccard(sets, np.array([0, 0]), np.array([0, 1])).tolist() == [0.0, 0.0]


def test_similarity_by_hand():
    # n-grams of 2 words: {ab, bc, cd} and {ab, bc, ce}: 2 shared of 4
    sets = unique(shingle(["a b c d", "a b c e", "x y"], 2))
    assert jaccard(sets, np.array([0, 0]), np.array([1, 2])).tolist() == [0.5, 0.0]


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9, 1.0])
def test_bands_find_a_pair_at_the_threshold(threshold):
    rows = rows_per_band(threshold)
    assert 1 - (1 - threshold**rows) ** BANDS >= 0.99
