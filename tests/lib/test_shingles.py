"""Word n-grams of many texts at once, against a plain loop over one text."""

import re

from hypothesis import given
from hypothesis import strategies as st

from workflow.lib.shingles import join, shingle, unique

TEXTS = st.lists(st.text(alphabet="ab é.,'\n", max_size=30), min_size=1, max_size=8)


def grams(text: str, size: int) -> list[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return [tuple(words[i : i + size]) for i in range(max(len(words) - size + 1, 1))] if words else []


def rows(found) -> list[list[int]]:
    return [found.hashes[a:b].tolist() for a, b in zip(found.starts, found.starts[1:], strict=False)]


@given(TEXTS, st.integers(1, 4))
def test_equal_grams_have_equal_hashes_and_others_not(texts, size):
    expected = [gram for text in texts for gram in grams(text, size)]
    hashes = [number for row in rows(shingle(texts, size)) for number in row]
    assert [len(row) for row in rows(shingle(texts, size))] == [len(grams(text, size)) for text in texts]
    # the hash is a function of the n-gram, and no two n-grams share one
    assert len(set(zip(expected, hashes, strict=True))) == len(set(expected)) == len(set(hashes))


@given(TEXTS)
def test_sets_have_each_gram_once(texts):
    found = rows(unique(shingle(texts, 2)))
    assert [len(row) for row in found] == [len(set(grams(text, 2))) for text in texts]
    assert all(row == sorted(set(row)) for row in found)


def test_case_spacing_and_punctuation_do_not_count_but_order_does():
    one, two, three = rows(shingle(["It rains,  again.", "it RAINS again", "again it rains"], 3))
    assert one == two != three


def test_parts_are_joined_in_order():
    whole, parts = shingle(["a b c", "", "d e"], 2), [shingle([t], 2) for t in ("a b c", "", "d e")]
    assert rows(join(parts)) == rows(whole)
