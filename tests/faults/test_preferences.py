"""Row 33: pairs that are none: chosen equals rejected, a side is empty, a label flipped, the order shuffled.

TRL's trainers accept every one of them without a word. What we make ourselves is an error that names the
rows; what people gave us is left out, named and counted.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.lib.test_given import PAIR
from tests.lib.test_verification import NO, YES
from tests.scripts import test_take_given_pairs as people
from tests.scripts.test_build_preferences import DEV, MIXED, SETTINGS, TEXTS, given, put
from workflow.lib import sides
from workflow.lib.errors import DataError
from workflow.lib.files import read_json
from workflow.lib.preferences import check_pairs
from workflow.lib.records import GivenPair, Pair, load
from workflow.lib.sides import Sides
from workflow.scripts import take_given_pairs
from workflow.scripts.build_preferences import main

__all__ = ["given"]  # a fixture
ROW = Pair("p1/pair/0", "p1", "g1", "train", "propositional", "Is it so?", YES, NO, None)
FILES = ("sft.parquet", "pairs.parquet", "prompts.parquet", "card.json")


def put_in(monkeypatch: pytest.MonkeyPatch, change: Callable[[Sides], Sides], name: str) -> None:
    """Let a strategy go wrong by ``change``."""
    sound = sides.STRATEGIES[name]
    broken = replace(sound, sides=lambda *given: change(sound.sides(*given)))
    monkeypatch.setitem(sides.STRATEGIES, name, broken)


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        pytest.param(YES, YES, id="the same"),
        pytest.param(YES, f" {YES}\n", id="the same but for its spacing"),
        pytest.param("", NO, id="chosen is empty"),
        pytest.param(YES, "", id="rejected is empty"),
        pytest.param(" \n", NO, id="chosen is blank"),
        pytest.param(YES, " \n", id="rejected is blank"),
    ],
)
def test_a_pair_of_less_than_two_texts_is_named(chosen: str, rejected: str) -> None:
    sound = replace(ROW, row_id="p2/pair/0")
    check_pairs("logic", [sound])
    with pytest.raises(DataError, match=r"'logic': .* in 1 of 2 pairs: \['p1/pair/0'\]"):
        check_pairs("logic", [sound, replace(ROW, chosen=chosen, rejected=rejected)])


@pytest.mark.parametrize("name", ["right_vs_wrong", "gold_vs_wrong", "votes"])
def test_sides_in_the_wrong_order_write_nothing(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    put_in(monkeypatch, lambda found: Sides(good=found.bad, bad=found.good), name)
    put([MIXED], [], {"mixed": TEXTS["mixed"]})
    settings = {**SETTINGS, "strategy": {"logic": name}}
    with pytest.raises(
        DataError, match=r"chosen is not the better text in (\d) of \1 pairs: \['mixed/pair/0'"
    ):
        main(**{**given, "settings": settings})
    assert not [file for file in FILES if Path(file).exists()]


def test_one_flipped_label_among_many_is_found(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wrong sample of one problem is called good and a right one bad: the other problem is sound."""

    def flip(found: Sides) -> Sides:
        held = found.good[0].problem_id == "held"
        return Sides(found.good[1:] + found.bad, found.good[:1]) if held else found

    put_in(monkeypatch, flip, "right_vs_wrong")
    put([MIXED], DEV, {key: TEXTS[key] for key in ("mixed", "held")})
    with pytest.raises(DataError, match=r"chosen is not the better text in \d of \d+ pairs: \['held/pair/"):
        main(**{**given, "settings": {**SETTINGS, "max_pairs_per_problem": 99}})


def test_a_flipped_gold_label_shows_in_the_votes(given: dict[str, Any]) -> None:
    """Nothing can tell a wrong gold answer for sure; the card counts pairs that most answers are against."""
    put([replace(MIXED, answer="no")], [], {"mixed": TEXTS["mixed"]})
    main(**given)
    card = read_json("card.json")
    assert (card["rows_per_split"]["pairs"], card["pairs_against_the_vote"]) == ({"train": 2}, 2)


def test_an_empty_choice_of_the_dataset_is_named(given: dict[str, Any]) -> None:
    put([replace(MIXED, choices=["yes", "no", " "])], [], {"mixed": TEXTS["mixed"]})
    settings = {**SETTINGS, "strategy": {"logic": "gold_vs_wrong"}}
    with pytest.raises(
        DataError, match=r"must be two texts, and are not in 1 of 2 pairs: \['mixed/pair/1'\]"
    ):
        main(**{**given, "settings": settings})
    assert not [file for file in FILES if Path(file).exists()]


def swapped(pair: GivenPair) -> GivenPair:
    return replace(pair, problem_id=pair.problem_id + "x", chosen=pair.rejected, rejected=pair.chosen)


def test_given_pairs_that_teach_nothing_are_left_out_named_and_counted(tmp_path: Path) -> None:
    sound = [replace(PAIR, problem_id=f"s{i}", group_id=f"g{i}", question=f"Q{i}?") for i in range(6)]
    broken = [
        replace(sound[0], problem_id="same", rejected=PAIR.chosen),
        replace(sound[1], problem_id="empty", chosen=""),
        swapped(sound[2]),
    ]
    take_given_pairs.main(**people.given(tmp_path, [*sound, *broken]))
    card = read_json(tmp_path / "card.json")
    assert card["left_out"] == {
        "a side is empty": ["empty"],
        "both sides are the same text": ["same"],
        "the same two answers stand in both orders": ["s2", "s2x"],
    }
    assert (card["funnel"][0]["rows_in"], card["funnel"][2]["rows_out"]) == (9 + 1, 6)  # one pair is of dev
    kept = {row.problem_id for row in load(tmp_path / "pairs.parquet", Pair)}
    assert kept == {"s0", "s1", "s3", "s4", "s5", "r7"}


def test_given_pairs_all_in_both_orders_are_no_data(tmp_path: Path) -> None:
    sound = [replace(PAIR, problem_id=f"s{i}", group_id=f"g{i}", question=f"Q{i}?") for i in range(3)]
    with pytest.raises(DataError, match="no pair in train teaches"):
        take_given_pairs.main(**people.given(tmp_path, [*sound, *map(swapped, sound)]))
