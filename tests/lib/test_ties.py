"""Letters and ranges of places, by hand."""

import pytest

from workflow.lib.ties import letters, places, tie_groups

CASES = {
    # Piepho's textbook case: only the ends are told apart
    "ends apart": ("abc", ["ac"], ["ab", "bc"], {"a": (1, 2), "b": (1, 3), "c": (2, 3)}),
    "all apart": ("abc", ["ab", "ac", "bc"], ["a", "b", "c"], {"a": (1, 1), "b": (2, 2), "c": (3, 3)}),
    "none apart": ("abc", [], ["abc"], {"a": (1, 3), "b": (1, 3), "c": (1, 3)}),
    "one ahead": ("abc", ["ab", "ac"], ["a", "bc"], {"a": (1, 1), "b": (2, 3), "c": (2, 3)}),
    # a beats c and d, b beats d: {a, b}, {b, c}, {c, d}
    "a chain": (
        "abcd",
        ["ac", "ad", "bd"],
        ["ab", "bc", "cd"],
        {"a": (1, 2), "b": (1, 3), "c": (2, 4), "d": (3, 4)},
    ),
    # the better one may have the lower estimate: the pair tells who won, the order does not
    "against the order": ("abc", ["ca"], ["ab", "bc"], {"a": (2, 3), "b": (1, 3), "c": (1, 2)}),
    "alone": ("a", [], ["a"], {"a": (1, 1)}),
}


@pytest.mark.parametrize(("methods", "apart", "groups", "ranges"), CASES.values(), ids=CASES.keys())
def test_groups_and_places(methods, apart, groups, ranges):
    pairs = [tuple(pair) for pair in apart]
    for some in (pairs, pairs[::-1]):
        assert ["".join(group) for group in tie_groups(list(methods), some)] == groups
        assert places(list(methods), some) == ranges


def test_two_share_a_letter_exactly_where_they_are_not_told_apart():
    found = letters(["x", "y", "z"], [("x", "z")])
    assert found == {"x": "a", "y": "ab", "z": "b"}
    assert letters(["x", "y"], []) == {"x": "a", "y": "a"}


def test_more_groups_than_letters_go_on_with_two_of_a_kind():
    methods = [f"m{number}" for number in range(28)]
    pairs = [(one, other) for place, one in enumerate(methods) for other in methods[place + 1 :]]
    found = letters(methods, pairs)
    assert [found[name] for name in ("m0", "m25", "m26", "m27")] == ["a", "z", "aa", "bb"]
