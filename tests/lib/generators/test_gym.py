"""Puzzles of the package reasoning-gym, with a stand-in for it, and with itself where it is installed."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.raw_files import read
from workflow.lib.errors import DataError, DependencyError
from workflow.lib.generators import gym
from workflow.lib.generators.flips import NONE
from workflow.lib.generators.registry import GENERATORS
from workflow.lib.records import Problem
from workflow.scripts.generate_dataset import generate

PUZZLES = ["countdown", "aiw"]


class Items:
    """Items as the package has them: number i of seed s depends on s + i and nothing else."""

    def __init__(self, name: str, size: int, seed: int) -> None:
        """Take what ``create_dataset`` is called with."""
        self.name, self.size, self.seed = name, size, seed

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one item."""
        assert 0 <= index < self.size
        a, b = Random(self.seed + index).choices(range(1, 1000), k=2)
        details = {"numbers": [a, b], "target": a + b, "source_index": index, "task_type": "friends"}
        answer = f"{a} + {b}" if self.name == "countdown" else str(a + b)
        return {"question": f"{self.name}: {a} and {b}?", "answer": answer, "metadata": details}


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a stand-in where the package would be."""
    made = SimpleNamespace(create_dataset=lambda name, size, seed: Items(name, size, seed))
    monkeypatch.setitem(sys.modules, "reasoning_gym", made)


def write(folder: Path, seed: int, size: int, puzzles: list[str] = PUZZLES, ambiguous: float = 0.0) -> None:
    GENERATORS["reasoning_gym"](folder, seed, size, ambiguous, NONE, {"puzzles": puzzles})


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_rows_have_the_shape_that_the_adapter_reads(tmp_path, package):
    write(tmp_path, 3, 7)
    found = rows(tmp_path, "countdown")
    assert set(found[0]) == {"generator", "seed", "index", "config", "question", "answer", "metadata"}
    assert [row["index"] for row in found] == [0, 1, 2, 3]
    problems = read("puzzle", tmp_path)
    assert len(problems) == 7 and all(isinstance(problem, Problem) for problem in problems)
    assert [problem.rule for problem in problems] == ["aiw"] * 3 + ["countdown"] * 4
    assert rows(tmp_path, "planted") == []


def test_a_row_tells_how_to_make_it_again(tmp_path, package):
    write(tmp_path, 3, 7)
    for row in rows(tmp_path, "countdown"):
        again = gym.package().create_dataset(row["generator"], size=4, seed=row["seed"])[row["index"]]
        assert again["question"] == row["question"]


def test_neighbouring_seeds_share_no_problem(tmp_path, package):
    """The package's own seeds do: item i of seed s is item i - 1 of seed s + 1."""
    first, second = (Items("aiw", 50, seed) for seed in (1, 2))
    assert [first[i]["question"] for i in range(1, 50)] == [second[i]["question"] for i in range(49)]
    questions = []
    for seed in (1, 2):
        write(tmp_path / str(seed), seed, 50, ["aiw"])
        questions.append({row["question"] for row in rows(tmp_path / str(seed), "aiw")})
    assert len(questions[0]) > 40 and not questions[0] & questions[1]


def test_same_seed_same_bytes(tmp_path, package):
    for name in "ab":
        write(tmp_path / name, 3, 20)
    for file in ("aiw", "countdown"):
        assert (tmp_path / f"a/{file}.jsonl").read_bytes() == (tmp_path / f"b/{file}.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ("GPL-3.0", {"puzzles": ["aiw", "acre"]}),
        ("the same seed does not give the same items", {"puzzles": ["list_functions"]}),
        ("expected aiw or circuit_logic or .*, found 'chess'", {"puzzles": ["chess"]}),
        ("found 'ordering'", {"puzzles": ["ordering"]}),
        (r"ambiguous: expected 0\.0, found 0\.1", {"ambiguous": 0.1}),
        ("size: expected at most 1000000, found 1000001", {"size": 1_000_001}),
    ],
)
def test_what_it_refuses(tmp_path, told, asked):
    with pytest.raises(DataError, match=told):
        write(tmp_path, **{"seed": 1, "size": 2, **asked})
    assert not list(tmp_path.iterdir())


def test_without_the_package_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "reasoning_gym", None)  # what Python has for "cannot be imported"
    with pytest.raises(DependencyError, match=r"pip install reasoning-gym==\d+\.\d+\.\d+"):
        write(tmp_path, 1, 2)


def test_the_script_hands_the_options_over(tmp_path, package):
    source = {"name": "live", "generator": "reasoning_gym", "seed": 1, "size": 4, "ambiguous": 0.0}
    entry = generate({**source, "options": {"puzzles": PUZZLES}}, tmp_path, NONE)
    assert [file["path"] for file in entry["files"]] == [
        f"live/{name}.jsonl" for name in ("aiw", "countdown", "planted")
    ]


@pytest.mark.skipif(find_spec("reasoning_gym") is None, reason="needs the package reasoning-gym")
def test_the_package_itself(tmp_path):
    """Every gold answer of live rows passes; labels that an oracle contradicts are the known kinds only."""
    names = sorted(gym.VERIFIERS.keys() - {"ordering", "zebra_puzzles"})  # a zebra takes 0.1 s
    write(tmp_path, 5, 40 * len(names), names)
    found = read("puzzle", tmp_path)
    kept = [problem for problem in found if isinstance(problem, Problem)]
    assert len(found) == 40 * len(names)
    assert {problem.rule for problem in kept} == set(names)
    left_out = {record.source.partition(".")[0] for record in found if not isinstance(record, Problem)}
    assert left_out <= {"aiw", "family_relationships", "propositional_logic", "syllogism"}
    for problem in kept:
        if problem.answer is not None:
            assert gym.VERIFIERS[problem.verifier](problem.answer, problem.instance)
