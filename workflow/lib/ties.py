"""Who ties with whom: tie groups instead of strict ranks.

Methods that no comparison told apart share a letter, by insertion and absorption (Piepho 2004, "An algorithm
for a letter-based representation of all-pairwise comparisons"). A method's place is a range: from one more
than the number of methods found better than it to the number of methods less those found worse.
"""

from collections.abc import Iterable, Sequence
from string import ascii_lowercase

Pair = tuple[str, str]  # the better method, the worse one


def tie_groups(methods: Sequence[str], apart: Iterable[Pair]) -> list[list[str]]:
    """Return the largest sets of methods of which no two are told apart, in the order of ``methods``."""
    groups = [frozenset(methods)]
    for pair in apart:
        split = [group - {one} for group in groups if group.issuperset(pair) for one in pair]
        whole = [group for group in groups if not group.issuperset(pair)]
        found = dict.fromkeys([*whole, *split])
        groups = [group for group in found if not any(group < other for other in found)]
    places = [sorted(map(list(methods).index, group)) for group in groups]
    return [[methods[place] for place in group] for group in sorted(places)]


def letters(methods: Sequence[str], apart: Iterable[Pair]) -> dict[str, str]:
    """Return the letters of each method: two that share one are not told apart."""
    groups = tie_groups(methods, apart)
    names = [ascii_lowercase[n % 26] * (n // 26 + 1) for n in range(len(groups))]
    return {
        method: "".join(name for name, group in zip(names, groups, strict=True) if method in group)
        for method in methods
    }


def places(methods: Sequence[str], apart: Sequence[Pair]) -> dict[str, tuple[int, int]]:
    """Return the best and the worst place that each method may have, 1 for the first."""
    return {
        method: (
            1 + sum(method == worse for _, worse in apart),
            len(methods) - sum(method == better for better, _ in apart),
        )
        for method in methods
    }
