"""Packed answers: every outcome is there, texts as far as there is room, in the order of the seed."""

import base64
import gzip
import json
import random

import numpy as np
import pytest

from tests.hand_samples import sample
from workflow.lib.errors import IntegrityError
from workflow.lib.shelves import PENDING, index_line, pack, packed_view, shelves_of, text_lines
from workflow.lib.wording import LONGEST_TEXT

METHODS = ["base", "dpo"]
SEEN = {("logic", name): name == "p3" for name in ("p1", "p2", "p3")}
TEXTS = 20  # with one seed and repeat each


def answers(**changes):
    """Return the answers of two methods to three problems, two seeds; DPO has p2 right with seed 1 only."""
    return [
        sample(
            **{"method": method, "seed": seed, "problem_id": name, "category": f"c{name[1]}"},
            **{
                "score": float(method == "dpo" and seed == 1 and name == "p2"),
                "text": f"{method} {seed} {name}",
            }
            | changes,
        )
        for seed in (2, 1)
        for name in ("p3", "p1", "p2")
        for method in ("dpo", "base")
    ]


def test_the_index_has_every_problem_and_every_outcome():
    found = json.loads(index_line(shelves_of(answers(), METHODS), {"base": "Base", "dpo": "DPO"}, SEEN))
    assert found["labels"] == {"base": "Base", "dpo": "DPO"}
    (shelf,) = found["shelves"]
    assert shelf == {
        **{"dataset": "logic", "model": "tiny", "task": "quiz", "methods": METHODS},
        **{"turns": [[1, 0], [2, 0]], "categories": ["c1", "c2", "c3"], "rules": ["modus_ponens"]},
        "seen": "001",
        "problems": [["p1", 0, 0, "yes"], ["p2", 1, 0, "yes"], ["p3", 2, 0, "yes"]],
        "right": {"base": ["000", "000"], "dpo": ["010", "000"]},
    }


def test_a_score_that_is_not_one_is_not_right():
    (shelf,) = json.loads(index_line(shelves_of(answers(score=0.999), METHODS), {}, SEEN))["shelves"]
    assert shelf["right"]["dpo"] == ["000", "000"]


def test_texts_of_all_methods_stand_together_and_the_first_seed_goes_first():
    lines = [
        json.loads(line) for line in text_lines(shelves_of(answers(), METHODS), np.random.default_rng(1))
    ]
    assert sorted(line[:3] for line in lines) == [[0, turn, p] for turn in (0, 1) for p in (0, 1, 2)]
    assert [line[1] for line in lines] == [0, 0, 0, 1, 1, 1]
    assert {line[3] for line in lines[:3]} == {"Is it so?"} and {line[3] for line in lines[3:]} == {None}
    (middle,) = (line for line in lines if line[:3] == [0, 1, 1])
    assert middle[4] == [["base 2 p2", "yes", 7], ["dpo 2 p2", "yes", 7]]


def test_the_seed_decides_the_order_and_the_order_of_rows_does_not():
    many = [sample(problem_id=f"p{number:02}", text=str(number)) for number in range(TEXTS)]

    def order(rows, seed):
        return list(text_lines(shelves_of(rows, ["base"]), np.random.default_rng(seed)))

    assert order(many, 1) == order(many[::-1], 1)
    assert order(many, 1) != order(many, 2)
    assert sorted(order(many, 1)) == sorted(order(many, 2))


def test_seeds_and_repeats_stand_in_order():
    turns = [(11, 1), (3, 0), (11, 0), (7, 1), (3, 1), (7, 0)]
    (shelf,) = shelves_of([sample(seed=seed, repeat=repeat) for seed, repeat in turns], ["base"])
    assert shelf.turns == [(3, 0), (3, 1), (7, 0), (7, 1), (11, 0), (11, 1)]


def test_tasks_of_other_shape_share_one_file():
    greedy = [sample(task="greedy", problem_id=name) for name in ("p1", "p2")]
    shelves = shelves_of([*answers(), *greedy], METHODS)
    assert [(one.place["task"], one.methods, len(one.turns)) for one in shelves] == [
        ("quiz", METHODS, 2),
        ("greedy", ["base"], 1),
    ]
    places = [json.loads(line)[:2] for line in text_lines(shelves, np.random.default_rng(1))]
    assert sorted(places) == [[0, 0]] * 3 + [[0, 1]] * 3 + [[1, 0]] * 2


def test_control_characters_are_visible_and_long_texts_are_clipped():
    long = sample(text="\x1b" + "x" * LONGEST_TEXT, parsed="\u202e", prompt="\x00")
    (line,) = text_lines(shelves_of([long], ["base"]), np.random.default_rng(1))
    _, _, _, prompt, ((text, parsed, _),) = json.loads(line)
    assert (prompt, parsed) == ("⟨U+0000⟩", "⟨U+202E⟩")
    assert text == "⟨U+001B⟩" + "x" * (LONGEST_TEXT - 1) + "\n… 1 more character in the file"


@pytest.mark.parametrize(
    ("change", "found"),
    [(lambda rows: rows[1:], "11 rows, 11"), (lambda rows: [*rows, rows[0]], "13 rows, 12")],
)
def test_an_answer_too_few_or_too_many_is_refused(change, found):
    with pytest.raises(IntegrityError, match=f"repeat: 12, found '{found} different'"):
        shelves_of(change(answers()), METHODS)


def test_texts_are_packed_while_there_is_room_and_the_index_always():
    noise = [random.Random(number).randbytes(20_000).hex() for number in range(TEXTS)]  # 20 kB each, packed
    everything, taken = pack("index", noise, room=10**7)
    assert taken == TEXTS
    assert gzip.decompress(everything).decode().splitlines() == ["index", *noise]
    lines = [random.Random(number).randbytes(1_000).hex() for number in range(400)]  # 1 kB each, packed
    room = PENDING + 100_000
    some, taken = pack("index", lines, room)
    assert gzip.decompress(some).decode().splitlines() == ["index", *lines[:taken]]
    assert 80 <= taken < 400
    assert len(some) <= room
    none, taken = pack("index", noise, room=0)
    assert (gzip.decompress(none), taken) == (b"index\n", 0)


def test_what_is_packed_goes_to_the_page_whole_unless_it_must_be_cleaned():
    shelves = shelves_of(answers(), METHODS)
    packed, _ = pack(
        index_line(shelves, {}, SEEN), list(text_lines(shelves, np.random.default_rng(1)))[:4], 10**6
    )
    view = packed_view(packed, lambda text: text)
    assert view is not None
    assert base64.b64decode(view.data) == packed
    assert (view.texts, view.of) == ("4", "6")  # three problems, two seeds
    clean = packed_view(packed, lambda text: text.replace("dpo 1", "[key]"))
    assert clean is not None
    text = gzip.decompress(base64.b64decode(clean.data)).decode()
    assert "dpo 1" not in text and text.count("[key]") == 3
    assert base64.b64decode(clean.data)[4:8] == bytes(4)  # no time of day in it


def test_a_study_without_answers_has_nothing_to_search():
    packed, taken = pack(index_line([], {}, {}), text_lines([], np.random.default_rng(1)), 10**6)
    assert taken == 0
    assert packed_view(packed, lambda text: text) is None
