"""Verifiers: every right answer is accepted, nothing else, and no answer takes long or breaks anything."""

import json
import time
import tracemalloc
from itertools import permutations, product
from typing import Any

import pytest

from workflow.lib.answers import judge
from workflow.lib.verifiers.formulas import formula
from workflow.lib.verifiers.registry import IN_LINES, IN_SYMBOLS, VERIFIERS

SUDOKU = [[3, 0, 4, 0], [0, 0, 0, 1], [0, 0, 0, 0], [2, 0, 0, 3]]
TERMS = {"knight": "sage", "knave": "fool", "a_knight": "a sage"}
INSTANCES: dict[str, dict[str, Any]] = {
    "aiw": {"answer": "4"},
    "circuit_logic": {"answer": "1"},
    "countdown": {"numbers": [96, 59, 42, 7], "target": 120},
    "course_schedule": {"answer": "False"},
    "family_relationships": {"answer": "mother-in-law"},
    "kakurasu": {"row_sums": [1, 5], "col_sums": [1, 2, 2]},
    "knights_knaves": {
        "names": ["Ann", "Bob"],
        "statements": [["not", ["telling-truth", 1]], ["or", ["telling-truth", 1], ["telling-truth", 0]]],
        "knight_knave_terms": TERMS,
    },
    "mini_sudoku": {"puzzle": SUDOKU},
    "ordering": {"names": ["Ann", "Bob"], "before": [["Ann", "Bob"]]},
    "propositional_logic": {"premises": ["(P → Q)", "(¬R ∧ P)"], "variables": ["P", "Q", "R"]},
    "self_reference": {"answer": "2"},
    "survo": {
        "puzzle": [[1, 0, 5, 11], [0, 8, 1, 12], [6, 0, 0, 9], [10, 14, 8, 32]],
        "candidate_numbers": [2, 3, 5, 1],
    },
    "syllogism": {"answer": "Yes"},
    "zebra_puzzles": {"answer": "bob"},
}


def accepts(name: str, answer: str, **changed: Any) -> bool:
    return VERIFIERS[name](answer, json.dumps({**INSTANCES[name], **changed}))


def test_every_verifier_is_tried_here():
    assert set(INSTANCES) == set(VERIFIERS) >= IN_LINES | IN_SYMBOLS


CASES = [
    ("aiw", "4", True),
    ("aiw", "4.0", True),
    ("aiw", "4 sisters", True),
    ("aiw", "x = 4", True),
    ("aiw", "5", False),
    ("aiw", "14", False),
    ("aiw", "-4", False),
    ("aiw", "3 or 4", False),
    ("aiw", "4/2", False),
    ("aiw", "4e0", False),
    ("aiw", "many", False),
    ("circuit_logic", "OUT = 1", True),
    ("circuit_logic", "0", False),
    ("course_schedule", "false", True),
    ("course_schedule", "False, as 0 needs 1 and 1 needs 0", True),
    ("course_schedule", "True", False),
    ("course_schedule", "False or True", False),
    ("course_schedule", "false/true", False),
    ("course_schedule", "not False", False),
    ("syllogism", "Yes", True),
    ("syllogism", "Yes, or no", False),
    ("syllogism", "Yesterday", False),
    ("family_relationships", "Mother in law", True),
    ("family_relationships", "the mother-in-law.", True),
    ("family_relationships", "mother", False),
    ("family_relationships", "mother-in-law or aunt", False),
    ("zebra_puzzles", "Bob", True),
    ("zebra_puzzles", "bobby", False),
    ("countdown", "59 + 7 + 96 - 42", True),
    ("countdown", "-42+(7+(96+59))", True),
    ("countdown", "(96 − 42) + 59 + 7", True),  # with a true minus sign
    ("countdown", "59 + 7 + 96 - 42 = 120", False),
    ("countdown", "120", False),
    ("countdown", "96 + 59 - 42", False),  # 7 is missing
    ("countdown", "59 + 7 + 96 - 42 + 7 - 7", False),  # 7 stands there three times
    ("countdown", "59 + 7 + 96 + 42", False),
    ("countdown", "59 + 7 + 96 - 42 / (7 - 7)", False),
    ("countdown", "59 + 7 + 96 // 42", False),
    ("countdown", "59 ** 7", False),
    ("countdown", "__import__('os').getpid()", False),
    ("countdown", "(59 + 7", False),
    ("kakurasu", "1 0 0\n0 1 1", True),
    ("kakurasu", "[[1, 0, 0],\n[0, 1, 1]]", True),
    ("kakurasu", "1 0 0\n0 1 0", False),
    ("kakurasu", "1 0 0\n1 2 0", False),  # sums of 1, 5 and 3, 4, 0
    ("kakurasu", "1 0\n0 1", False),
    ("kakurasu", "1 0 0", False),
    ("kakurasu", "no solution", False),
    ("mini_sudoku", "3 1 4 2\n4 2 3 1\n1 3 2 4\n2 4 1 3", True),
    ("mini_sudoku", "| 3 | 1 | 4 | 2 |\n| 4 | 2 | 3 | 1 |\n| 1 | 3 | 2 | 4 |\n| 2 | 4 | 1 | 3 |", True),
    ("mini_sudoku", "3 1 4 2\n4 2 3 1\n1 3 2 4", False),
    ("mini_sudoku", "3 1 4 2\n4 2 3 1\n1 4 2 3\n2 3 1 4", False),  # a given number was changed
    ("survo", "1 5 5 11\n3 8 1 12\n6 1 2 9\n10 14 8 32", True),
    ("survo", "1 5 5 11\n3 8 1 12\n6 2 1 9\n10 14 8 32", False),  # columns do not add up
    ("survo", "1 5 5 11\n3 8 1 12\n5 2 2 9\n10 14 8 32", False),
    ("knights_knaves", "Ann is a fool, and Bob is a sage.", True),
    ("knights_knaves", "- **Bob**: sage\n- **Ann**: fool", True),
    ("knights_knaves", "Ann is a sage, and Bob is a fool.", False),  # he says that one of them is a sage
    ("knights_knaves", "Ann is a fool, and Bob is a fool.", False),
    ("knights_knaves", "Bob is a sage.", False),
    ("knights_knaves", "Ann is a fool, and Bob is a sage, and Ann is a sage.", False),
    ("knights_knaves", "Ann is a fool/sage, and Bob is a sage/fool.", False),
    ("knights_knaves", "Ann is not a sage, and Bob is not a fool.", False),
    ("propositional_logic", "Q", True),
    ("propositional_logic", "(P ∧ Q)", True),
    ("propositional_logic", "P & Q & ~R", True),
    ("propositional_logic", "R -> Q", True),
    ("propositional_logic", "(P <-> Q) ∧ (R → P)", True),
    ("propositional_logic", "R", False),
    ("propositional_logic", "(P ∨ ¬P)", False),  # a tautology says nothing
    ("propositional_logic", "(Q ∨ S)", False),  # S is no variable of the puzzle
    ("propositional_logic", "P ∧", False),
    ("propositional_logic", "(P ∧ Q", False),
    ("propositional_logic", "P Q", False),
    ("propositional_logic", "P + Q", False),
    ("propositional_logic", "", False),
]


@pytest.mark.parametrize(("name", "answer", "right"), CASES, ids=[f"{c[0]}-{c[1]}" for c in CASES])
def test_right_and_wrong(name, answer, right):
    assert accepts(name, answer) is right


@pytest.mark.parametrize("name", sorted(VERIFIERS))
def test_no_answer_breaks_a_verifier_or_keeps_it_long(name):
    hostile = [
        "",
        " ",
        "\n",
        "🤷",
        "(" * 100_000,
        "9" * 100_000,
        "9 " * 50_000,
        "1 0 0\n" * 50_000,
        "-" * 400,
    ]
    hostile += ["¬" * 900 + "P", "(" * 400 + "P", "P → " * 240 + "Q", "9" * 240 + "*" + "9" * 240, "1\x002"]
    hostile += [
        "Ann is " * 20_000,
        "²",
        "١",
        "Bob" * 30_000,
        "((((" + "1+" * 200 + "1",
        "(" * 150 + "8" + ")" * 150,
    ]
    started = time.process_time()
    assert not any(accepts(name, answer) for answer in hostile)
    assert time.process_time() - started < 5


UNITS = ["1 0 0\n", "1 ", "9", "-", "(", "¬", "~", "P & ", "P -> ", "Ann, ", "Ann is a fool, ", " then "]
UNITS += ["the ", "yes or ", "=", "\n", "\u2028", "1/", "1+", "\x00", "mother-", "Bob: sage/", "١", "<=>"]


def put_to(name: str, unit: str, characters: int) -> None:
    """Put an answer of ``unit`` over and over to a verifier, as it is and as a model states it."""
    answer, told = unit * (characters // len(unit)), json.dumps(INSTANCES[name])
    accepts(name, answer)
    judge(f"The answer is {answer}", choices=[], answer=None, verifier=name, instance=told)


@pytest.mark.parametrize("name", sorted(VERIFIERS))
def test_an_answer_of_any_length_takes_time_in_proportion(name):
    """100,000 characters, 25 times what a teacher may write in 1,024 tokens, in less than a second."""
    for unit in UNITS:
        started = time.process_time()
        put_to(name, unit, 100_000)
        assert time.process_time() - started < 1, unit


@pytest.mark.parametrize("name", sorted(VERIFIERS))
def test_an_answer_of_any_length_takes_memory_in_proportion(name):
    """At most 400 bytes per character: a word of two characters is an object, a place and an entry."""
    for unit in UNITS:
        tracemalloc.start()
        put_to(name, unit, 10_000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 400 * 10_000, unit


def test_every_completion_of_a_sudoku_is_right():
    """All 576 latin squares: the verifier takes those with sound boxes and the given numbers."""
    loose = [[3, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    lines = list(permutations((1, 2, 3, 4)))
    squares = [g for g in product(lines, repeat=4) if all(len({row[j] for row in g}) == 4 for j in range(4))]
    assert len(squares) == 576
    corners = [(i, j) for i in (0, 2) for j in (0, 2)]
    sound = [
        g for g in squares if all(len({*g[i][j : j + 2], *g[i + 1][j : j + 2]}) == 4 for i, j in corners)
    ]
    assert len(sound) == 288
    right = [grid for grid in sound if grid[0][0] == 3 and grid[1][3] == 1]
    texts = {grid: "\n".join(" ".join(map(str, row)) for row in grid) for grid in squares}
    assert [g for g in squares if accepts("mini_sudoku", texts[g], puzzle=loose)] == right
    assert len(right) > 1


def test_every_grid_with_the_right_sums_is_right():
    """A kakurasu with several solutions: all of them by brute force over 2^9 grids."""
    grids = [[cells[i : i + 3] for i in (0, 3, 6)] for cells in product((0, 1), repeat=9)]

    def sums(grid: Any) -> tuple[list[int], list[int]]:
        across = [sum((j + 1) * row[j] for j in range(3)) for row in grid]
        return across, [sum((i + 1) * grid[i][j] for i in range(3)) for j in range(3)]

    wanted = ([3, 3, 3], [3, 3, 3])
    right = [grid for grid in grids if sums(grid) == wanted]
    assert len(right) > 1
    texts = ["\n".join(" ".join(map(str, row)) for row in grid) for grid in grids]
    given = {"row_sums": wanted[0], "col_sums": wanted[1]}
    assert not accepts("kakurasu", "2", row_sums=[2], col_sums=[2])  # sums alone are not enough
    assert [g for g, text in zip(grids, texts, strict=True) if accepts("kakurasu", text, **given)] == right


def test_numbers_of_a_survo_may_change_places_where_the_sums_allow_it():
    given = [[0, 0, 5], [0, 0, 5], [5, 5, 10]]
    for first in ("1 4 5\n4 1 5\n5 5 10", "4 1 5\n1 4 5\n5 5 10"):
        assert accepts("survo", first, puzzle=given, candidate_numbers=[1, 1, 4, 4])
    assert not accepts("survo", "2 3 5\n3 2 5\n5 5 10", puzzle=given, candidate_numbers=[1, 1, 4, 4])


@pytest.mark.parametrize(
    "name", ["P", "¬(P ∧ Q) ∨ R", "P → Q → R", "P ↔ Q ↔ R", "P ∨ Q ∧ ¬R", "¬¬P → (Q ↔ R)"]
)
def test_formulas_mean_what_python_says(name):
    """Truth tables of the verifier against Python's own operators, written by hand."""
    by_hand = {
        "P": lambda p, q, r: p,
        "¬(P ∧ Q) ∨ R": lambda p, q, r: not (p and q) or r,
        "P → Q → R": lambda p, q, r: not p or (not q or r),
        "P ↔ Q ↔ R": lambda p, q, r: (p == q) == r,
        "P ∨ Q ∧ ¬R": lambda p, q, r: p or (q and not r),
        "¬¬P → (Q ↔ R)": lambda p, q, r: not p or q == r,
    }[name]
    for p, q, r in product((False, True), repeat=3):
        fixed = [letter if on else f"¬{letter}" for letter, on in zip("PQR", (p, q, r), strict=True)]
        told = {"premises": fixed, "variables": ["P", "Q", "R"]}
        assert accepts("propositional_logic", name, **told) is bool(by_hand(p, q, r))


@pytest.mark.parametrize(
    "text", ["", "∧ P", "P ¬", "()", "P)", "1", "P ∧ ∧ Q", "¬" * 60 + "P", "P" + " ∧ P" * 400]
)
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(ValueError):
        formula(text)


STATED = [
    (
        "mini_sudoku",
        "So the answer is:\n\n3 1 4 2\n4 2 3 1\n1 3 2 4\n2 4 1 3\n\nI hope it helps. 1 2 3 4",
        True,
    ),
    ("mini_sudoku", "Answer:\n```\n3 1 4 2\n4 2 3 1\n1 3 2 4\n2 4 1 3\n```", True),
    ("mini_sudoku", "The answer is 3 1 4 2\n4 2 3 1\n1 3 2 4\n2 4 1 3.", True),
    ("mini_sudoku", "3 1 4 2\n4 2 3 1\n1 3 2 4\n2 4 1 3", False),  # nothing is stated
    ("knights_knaves", "The answer is:\nAnn is a fool\nBob is a sage", True),
    ("countdown", "The answer is (96 - 42) + (59 + 7).", True),
    ("countdown", "The answer is `(96 - 42) + (59 + 7)`\nas 54 + 66 = 120.", True),
    ("propositional_logic", "Therefore the answer is (P ∧ Q) ∨ (R ∧ P).", True),
    ("aiw", "2 + 2 = 4, so the answer is **4**.", True),
    ("zebra_puzzles", "The answer is (Bob).", True),
    ("ordering", "The answer is (Ann, Bob).", True),
    ("ordering", "The answer is Ann,\nBob", False),
]


@pytest.mark.parametrize(("name", "text", "right"), STATED, ids=[f"{s[0]}-{s[1][:30]!r}" for s in STATED])
def test_answers_are_read_from_the_words_of_a_model(name, text, right):
    told = json.dumps(INSTANCES[name])
    assert judge(text, choices=[], answer=None, verifier=name, instance=told).right is right


def test_an_answer_of_several_lines_is_one_answer():
    grid = "3 1 4 2\n4 2 3 1\n1 3 2 4\n2 4 1 3"
    told = json.dumps(INSTANCES["mini_sudoku"])
    found = judge(f"Answer:\n{grid}\n\nDone.", choices=[], answer=None, verifier="mini_sudoku", instance=told)
    assert found.parsed == grid
