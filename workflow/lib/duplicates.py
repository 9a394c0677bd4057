"""Near duplicates among many texts: MinHash signatures and banding, checked by the exact Jaccard similarity.

Broder (1997), "On the resemblance and containment of documents"; banding as in Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", chapter 3.4. Memory grows with the number of rows by about a
kilobyte each, whatever the number of pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workflow.lib.shingles import MULTIPLIER, Hashes, Shingles, mix

BANDS = 16
RECALL = 0.99  # of pairs at the threshold, by which the rows of a band are chosen
MOST_ROWS = 8  # of a band
CROWD = 8  # rows of a bucket up to which all of its pairs are looked at
PAIRS_AT_ONCE = 50_000
TEXTS_AT_ONCE = 20_000
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Pairs of places (first < second) and the Jaccard similarity of their n-grams, each of shape (P,)."""

    first: Indices
    second: Indices
    similarity: NDArray[np.float64]


def rows_per_band(threshold: float) -> int:
    """Return the most rows of a band with which a pair at ``threshold`` is still a candidate.

    A pair of similarity s shares at least one of b bands of r rows with probability 1 - (1 - s^r)^b.
    """
    enough = [r for r in range(1, MOST_ROWS + 1) if 1 - (1 - threshold**r) ** BANDS >= RECALL]
    return max(enough, default=1)


def band_keys(sets: Shingles, rows: int) -> Hashes:
    """Return one key per band and text, (N, BANDS): texts with equal keys share a band.

    Args:
        sets: Distinct n-grams of each text. A text without any gets keys of its own.
        rows: Hash functions per band.
    """
    count = len(sets.starts) - 1
    keys = np.zeros((count, BANDS), dtype=np.uint64)
    for begin in range(0, count, TEXTS_AT_ONCE):
        starts = sets.starts[begin : begin + TEXTS_AT_ONCE + 1]
        part = sets.hashes[starts[0] : starts[-1]].astype(np.uint64)
        keys[begin : begin + TEXTS_AT_ONCE] = _keys(starts - starts[0], part, rows)
    alone = np.flatnonzero(np.diff(sets.starts) == 0)
    keys[alone] = mix(alone.astype(np.uint64) + np.uint64(1))[:, None]
    return keys


def _keys(starts: Indices, hashes: Hashes, rows: int) -> Hashes:
    """Return the band keys of some texts; those of a text without n-grams are 0."""
    keys = np.zeros((len(starts) - 1, BANDS), dtype=np.uint64)
    full = np.flatnonzero(np.diff(starts))
    for band in range(BANDS):
        key = np.zeros(len(full), dtype=np.uint64)
        for row in range(rows):
            salt = mix(np.array([band * rows + row + 1], dtype=np.uint64))
            smallest = np.minimum.reduceat(mix(hashes ^ salt), starts[:-1][full]) if len(full) else key
            key = mix(key * MULTIPLIER + smallest)
        keys[full, band] = key
    return keys


def near_pairs(sets: Shingles, keys: Hashes, groups: Hashes, order: Indices, threshold: float) -> Pairs:
    """Return pairs of places in ``order`` of rows of different groups that are at least ``threshold`` alike.

    In a bucket of many rows each is compared with the first of them and with its neighbour only, so that
    the work grows with the rows and not with their square: of many texts that are all alike not every
    pair is named, but every text is named with one that comes before it.

    Args:
        sets: Distinct n-grams of each text.
        keys: Band keys of each text, (N, BANDS).
        groups: Group of each text, (N,); pairs within a group are not looked for.
        order: Rows to compare, (M,), those to keep first.
        threshold: Jaccard similarity, 0 to 1.
    """
    seen = np.zeros(0, dtype=np.int64)
    found: list[tuple[Indices, NDArray[np.float64]]] = []
    count, groups = len(order), groups[order]
    for band in range(keys.shape[1]):
        first, second = _candidates(keys[order, band])
        apart = groups[first] != groups[second]
        codes = np.setdiff1d(first[apart] * count + second[apart], seen)
        seen = np.union1d(seen, codes)
        for part in np.array_split(codes, max(1, -(-len(codes) // PAIRS_AT_ONCE))):
            similarity = jaccard(sets, order[part // count], order[part % count])
            near = similarity >= threshold
            found.append((part[near], similarity[near]))
    codes = np.concatenate([codes for codes, _ in found])
    by_place = np.argsort(codes)
    similarity = np.concatenate([values for _, values in found])[by_place]
    return Pairs(codes[by_place] // max(count, 1), codes[by_place] % max(count, 1), similarity)


def jaccard(sets: Shingles, first: Indices, second: Indices) -> NDArray[np.float64]:
    """Return |A ∩ B| / |A ∪ B| of the n-grams of each pair of texts, (P,)."""
    if not len(first):
        return np.zeros(0)
    sizes = np.diff(sets.starts)
    pairs = np.arange(len(first), dtype=np.uint64)
    keys = []
    for rows in (first, second):
        salt = np.repeat(mix(pairs + np.uint64(1)), sizes[rows])
        hashes = sets.hashes[_ranges(sets.starts[rows], sizes[rows])].astype(np.uint64)
        keys.append(mix(hashes ^ salt))
    owner = np.repeat(np.arange(len(first)), sizes[first])
    shared = np.bincount(owner[np.isin(keys[0], keys[1])], minlength=len(first))
    union = sizes[first] + sizes[second] - shared
    return np.divide(shared, union, out=np.zeros(len(first)), where=union > 0)


def _ranges(starts: Indices, sizes: Indices) -> Indices:
    """Return starts[0], starts[0] + 1, …, then those of the next range, one after the other."""
    ends = np.cumsum(sizes)
    return np.arange(ends[-1]) - np.repeat(ends - sizes - starts, sizes)


def _candidates(keys: Hashes) -> tuple[Indices, Indices]:
    """Return the pairs (first < second) that share a key: all in small buckets, two per row in others."""
    order = np.argsort(keys, kind="stable")
    new = np.ones(len(keys), dtype=bool)
    new[1:] = keys[order][1:] != keys[order][:-1]
    bucket = np.cumsum(new) - 1
    sizes = np.bincount(bucket)
    start = np.flatnonzero(new)[bucket]  # of the bucket of each sorted row
    pairs = [
        (order[start], order, start < np.arange(len(keys))),
        *((order[:-step], order[step:], _same(bucket, sizes, step)) for step in _steps(len(keys))),
    ]
    first = np.concatenate([a[chosen] for a, _, chosen in pairs])
    second = np.concatenate([b[chosen] for _, b, chosen in pairs])
    codes = np.unique(first * np.int64(len(keys)) + second)
    return codes // len(keys), codes % len(keys)


def _steps(rows: int) -> Iterator[int]:
    yield from range(1, min(CROWD, rows))


def _same(bucket: Indices, sizes: Indices, step: int) -> NDArray[np.bool_]:
    """Return where sorted rows ``step`` apart share a bucket that is small, or are neighbours."""
    same: NDArray[np.bool_] = bucket[:-step] == bucket[step:]
    return same if step == 1 else same & (sizes[bucket[step:]] <= CROWD)
