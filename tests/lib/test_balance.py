"""Exchanges that make chosen and rejected texts equally long on average."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product

import pytest

from tests.lib.test_pairing import MANY, known
from tests.lib.test_verification import PROBLEM
from workflow.lib.balance import CONTROLS, control_lengths, exchange, match_means
from workflow.lib.pairing import Asked, choose, gap
from workflow.lib.sides import Sides


def asked(name: str, good: Sequence[int], bad: Sequence[int], most: int = 1, split: str = "train") -> Asked:
    """Return a problem whose texts have these numbers of words, with up to ``most`` pairs taken."""
    sides = Sides(
        [known(" ".join([f"g{i}"] * n)) for i, n in enumerate(good)],
        [known(" ".join([f"b{i}"] * n)) for i, n in enumerate(bad)],
    )
    problem = replace(PROBLEM, problem_id=name)
    return choose(problem, split, "?", sides, replace(MANY, max_pairs=most))


def taking(one: Asked, *places: int) -> Asked:
    """Return ``one`` with the options at ``places`` taken."""
    return replace(one, pairs=[one.options[place] for place in places])


def gaps(found: Sequence[Asked]) -> list[int]:
    return [gap(pair) for one in found for pair in one.pairs]


def test_nothing_is_exchanged_unless_asked() -> None:
    given = [taking(asked("p1", [9], [1, 9]), 0)]
    assert control_lengths(given, "none") == given
    assert set(CONTROLS) == {"none", "match_means"}


def test_the_exchange_nearest_to_zero_is_made() -> None:
    # gaps of the options: 9 - 1 = 8, 9 - 6 = 3, 9 - 12 = -3, 9 - 10 = -1; total 8 with the first one taken.
    # Elsewhere 0: -1 is nearest. With 4 more elsewhere (total 12) -3 brings 12 - 8 - 3 = 1.
    one = taking(asked("p1", [9], [1, 6, 12, 10]), 0)
    after, total = exchange(one, 8)
    assert (gaps([after]), total) == ([-1], -1)
    after, total = exchange(one, 12)
    assert (gaps([after]), total) == ([-3], 1)


def test_no_exchange_that_is_not_nearer() -> None:
    # gaps 1 and -1: exchanging turns a total of 1 into -1, which is as far
    one = taking(asked("p1", [2], [1, 3]), 0)
    assert exchange(one, 1) == (one, 1)
    assert match_means([one]) == [one]


def test_means_match_where_they_can() -> None:
    # Every problem took a pair with gap +4 and could take one with -4: half of them are exchanged.
    given = [taking(asked(f"p{i}", [5], [1, 9]), 0) for i in range(6)]
    found = match_means(given)
    assert gaps(found) == [-4, -4, -4, 4, 4, 4]
    assert [a.problem.problem_id for a in found] == [f"p{i}" for i in range(6)]
    assert match_means(given) == found  # nothing is drawn


def test_one_alternative_goes_only_once() -> None:
    # both options are taken already, or there is just one: nothing can change
    full = asked("p1", [5], [1, 9], most=2)
    alone = asked("p2", [5], [1])
    assert match_means([full, alone]) == [full, alone]


def test_as_many_pairs_as_before_each_of_its_own_problem() -> None:
    given = [asked(f"p{i}", [3, 7, 8], [1, 2, 6], most=2) for i in range(9)]
    found = match_means(given)
    assert [len(set(a.pairs)) for a in found] == [2] * 9
    assert all(pair in list(a.options) for a in found for pair in a.pairs)
    assert abs(sum(gaps(found))) < abs(sum(gaps(given)))


def test_it_stops_where_no_single_exchange_is_nearer() -> None:
    """Worked by hand, visit by visit; the best of all choices would be 0, two exchanges away."""
    shapes = [([4], [1, 2]), ([6, 3], [1, 5]), ([5], [1, 9]), ([8], [2, 7])]
    given = [taking(asked(f"p{i}", good, bad), 0) for i, (good, bad) in enumerate(shapes)]
    # options 3 2 | 5 1 2 -2 | 4 -4 | 6 1; total 18 → 17 (3 to 2) → 10 (5 to -2) → 2 (4 to -4) → 2 (6 stays)
    assert gaps(given) == [3, 5, 4, 6]
    found = match_means(given)
    assert gaps(found) == [2, -2, -4, 6]
    assert all(exchange(one, 2) == (one, 2) for one in found)
    every = [[gap(pair) for pair in one.options] for one in given]
    assert min(abs(sum(some)) for some in product(*every)) == 0


def test_a_second_round_goes_on_where_the_first_stopped() -> None:
    # Two pairs of one problem, both +6, with two spare ones of -4 and -6: a visit makes one exchange.
    one = asked("p1", [7], [1, 11, 13], most=3)
    other = taking(asked("p2", [9], [1]), 0)  # +8, and nothing else
    given = [taking(one, 0), other]
    assert gaps(given) == [6, 8]
    assert gaps(match_means(given)) == [-6, 8]
    two = taking(asked("p3", [7, 7], [1, 11, 13], most=2), 0, 3)  # +6 and +6; spare: -4, -6, -4, -6
    rounds = match_means([two, other])
    assert sorted(gaps(rounds)) == sorted([-4, -4, 8])  # first to 20 - 12 = 8, then to 0


def test_each_split_is_balanced_by_itself() -> None:
    given = [
        taking(asked("p1", [5], [1, 5]), 0),
        taking(asked("p2", [1], [5]), 0),
        taking(asked("p3", [1], [5], split="dev"), 0),
        taking(asked("p4", [5], [1, 5], split="dev"), 1),
    ]
    # train: +4 - 4 = 0 stays. dev: -4 + 0; taking +4 instead brings it to 0.
    assert gaps(control_lengths(given, "match_means")) == [4, -4, -4, 4]


@pytest.mark.parametrize("taken", list(combinations(range(4), 2)))
def test_it_ends_from_wherever_it_starts(taken: tuple[int, int]) -> None:
    given = [taking(asked("p1", [3, 9], [4, 5], most=2), *taken), asked("p2", [2], [30])]
    found = match_means(given)
    # p2 has -28 and no choice; p1's gaps are -1, -2, 5, 4: the most it can add is 5 + 4
    assert sum(gaps(found)) == -28 + 9
