"""Control of length bias: pairs whose chosen and rejected texts are equally long on average.

A reward model or policy can learn "longer is better" instead of "right is better" (Singhal et al. 2023,
arXiv 2310.03716). ``match_means`` exchanges pairs so that chosen and rejected texts have the same mean length
as far as possible, split by split, without leaving a pair out:

1. The total is the sum over all pairs of words(chosen) - words(rejected); it starts with the pairs that
   ``pair_choice`` took.
2. Visit the problems in the order of their ids, which are hashes. Exchange one taken pair of the problem for
   another possible one of it: that which brings the total nearest to 0 (the first one among equals), if it
   comes nearer at all.
3. Stop at 0; repeat while a whole round of visits has changed anything.

Each exchange makes the absolute total smaller by a word or more, so it ends; no exchange within one problem
could bring the means nearer then. It draws nothing, so the same pairs come out every time.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from workflow.lib.pairing import Asked, gap


def as_taken(asked: Sequence[Asked]) -> list[Asked]:
    """Return ``asked`` with the pairs that were taken."""
    return list(asked)


def match_means(asked: Sequence[Asked]) -> list[Asked]:
    """Return ``asked`` with pairs exchanged as the module says."""
    found = list(asked)
    total, changed = sum(gap(pair) for a in found for pair in a.pairs), True
    while total and changed:
        before = total
        for place, one in enumerate(found):
            found[place], total = exchange(one, total)
        changed = total != before
    return found


def exchange(asked: Asked, total: int) -> tuple[Asked, int]:
    """Return ``asked`` after its best exchange, and the new total; both as they are if none is better."""
    taken = {pair: gap(pair) for pair in asked.pairs}
    spare = {pair: gap(pair) for pair in asked.options if pair not in taken}
    after = [(total - out + into, old, new) for old, out in taken.items() for new, into in spare.items()]
    better = [found for found in after if abs(found[0]) < abs(total)]
    if not better:
        return asked, total
    nearest, old, new = min(better, key=lambda found: abs(found[0]))
    return replace(asked, pairs=[new if pair == old else pair for pair in asked.pairs]), nearest


CONTROLS: dict[str, Callable[[Sequence[Asked]], list[Asked]]] = {"none": as_taken, "match_means": match_means}


def control_lengths(asked: Sequence[Asked], control: str) -> list[Asked]:
    """Return ``asked`` with the lengths of its pairs controlled, each split by itself."""
    splits = dict.fromkeys(a.split for a in asked)
    return [a for split in splits for a in CONTROLS[control]([a for a in asked if a.split == split])]
