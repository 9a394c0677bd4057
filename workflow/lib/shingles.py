"""Word n-grams of many texts at once, as hashes: what duplicates and contamination are measured on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

NOT_A_WORD = r"[^\p{L}\p{N}]+"
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no word of an n-gram is lost modulo 2**64
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Shingles:
    """Hashes of the word n-grams of N texts, one text after the other."""

    starts: NDArray[np.int64]  # (N + 1,): text i has hashes[starts[i] : starts[i + 1]]
    hashes: NDArray[np.unsignedinteger]  # 64 bits, or 32 where only texts are compared with each other


def mix(values: Hashes) -> Hashes:
    """Return ``values`` with every bit depending on all bits (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def shingle(texts: Sequence[str], size: int) -> Shingles:
    """Return the n-grams of ``size`` words of each text; case, spacing and punctuation do not count.

    A text of fewer words has one n-gram, of all its words; a text without words has none.
    """
    starts, words = _words(texts)
    lengths = np.diff(starts)
    grams = np.where(lengths > 0, np.maximum(lengths - size + 1, 1), 0)
    ends = np.concatenate([[0], np.cumsum(grams)])
    # Position of the first word of every n-gram, and the position just after its text.
    first = np.arange(ends[-1]) - np.repeat(ends[:-1] - starts[:-1], grams)
    after = np.repeat(starts[1:], grams)
    hashes = np.zeros(len(first), dtype=np.uint64)
    for place in range(size):
        at = first + place
        inside = at < after
        hashes *= MULTIPLIER
        hashes[inside] += words[at[inside]]
    return Shingles(ends, mix(hashes))


def unique(shingles: Shingles) -> Shingles:
    """Return the set of n-grams of each text, in 32 bits, which are enough to compare two texts."""
    short = (shingles.hashes >> np.uint64(32)).astype(np.uint32)
    owner = np.repeat(np.arange(len(shingles.starts) - 1), np.diff(shingles.starts))
    order = np.lexsort((short, owner))
    owner, hashes = owner[order], short[order]
    new = np.ones(len(hashes), dtype=bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])
    counts = np.bincount(owner[new], minlength=len(shingles.starts) - 1)
    return Shingles(np.concatenate([[0], np.cumsum(counts)]), hashes[new])


def join(parts: Sequence[Shingles]) -> Shingles:
    """Return the texts of all ``parts``, at least one, one after the other."""
    counts = np.concatenate([np.diff(part.starts) for part in parts])
    hashes = np.concatenate([part.hashes for part in parts])
    return Shingles(np.concatenate([[0], np.cumsum(counts)]), hashes)


def _words(texts: Sequence[str]) -> tuple[NDArray[np.int64], Hashes]:
    """Return where the words of each text start, (N + 1,), and a hash of every word."""
    spaced = pc.replace_substring_regex(pc.utf8_lower(pa.array(texts, pa.large_string())), NOT_A_WORD, " ")
    lists = pc.split_pattern(pc.utf8_trim_whitespace(spaced), " ")
    empty = np.asarray(pc.equal(pc.list_value_length(lists), 1)) & np.asarray(
        pc.equal(pc.utf8_trim_whitespace(spaced), "")
    )
    encoded = lists.values.dictionary_encode()
    known = np.array([_hash(word) for word in encoded.dictionary.to_pylist()], dtype=np.uint64)
    words = known[np.asarray(encoded.indices)] if len(known) else np.zeros(0, dtype=np.uint64)
    counts = np.asarray(pc.list_value_length(lists), dtype=np.int64)
    if empty.any():  # splitting "" gives one empty word
        words = words[np.repeat(~empty, counts)]
        counts = np.where(empty, 0, counts)
    return np.concatenate([[0], np.cumsum(counts)]), words


def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
