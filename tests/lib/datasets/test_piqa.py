"""PIQA: the author's files and the hub's Parquet become the same problems; labels never slip by a line."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.raw_files import SHARED, read, write
from workflow.lib.datasets.piqa import labelled_rows
from workflow.lib.datasets.raw import Skipped, Source
from workflow.lib.errors import DataError
from workflow.lib.records import Problem

PIQA = {"goal": "ice box", "sol1": "add water", "sol2": "add soda"}
needs_rows = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real rows in ../shared/data")


def real_rows(test: Any) -> Any:
    """Mark a test that reads the real rows."""
    return pytest.mark.shared_data(needs_rows(test))


def parquet(folder: Path, *rows: dict[str, Any]) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows)), folder / "validation-00000-of-00001.parquet")


def told(problems: list[Any]) -> list[Any]:
    """Return what is told of each problem but where it was read."""
    return [(p.problem_id, p.group_id, p.question, p.choices, p.answer, p.verifier) for p in problems]


def test_the_authors_files(tmp_path):
    write(tmp_path, "valid.jsonl", PIQA, {**PIQA, "goal": "dresser"})
    write(tmp_path, "valid-labels.lst", text="1\n0\n")
    write(tmp_path, "tests.jsonl", PIQA)  # without labels: left out
    problems = read("piqa", tmp_path)
    assert [(p.question, p.answer) for p in problems] == [("ice box", "add soda"), ("dresser", "add water")]
    assert problems[0].choices == ["add water", "add soda"]
    assert [p.source for p in problems] == ["valid.jsonl row 1", "valid.jsonl row 2"]


def test_the_hubs_parquet_says_the_same(tmp_path):
    files, hub = tmp_path / "files", tmp_path / "hub"
    write(files, "valid.jsonl", PIQA, {**PIQA, "goal": "dresser"})
    write(files, "valid-labels.lst", text="1\n0\n")
    hub.mkdir()
    parquet(hub, {**PIQA, "label": 1}, {**PIQA, "goal": "dresser", "label": 0})
    assert told(read("piqa", hub)) == told(read("piqa", files))
    assert len(read("piqa", hub)) == 2


def test_unlabelled_rows_of_the_hub_are_counted(tmp_path):
    parquet(tmp_path, {**PIQA, "label": -1}, {**PIQA, "label": 1})
    left_out, problem = read("piqa", tmp_path)
    assert left_out == Skipped("validation-00000-of-00001.parquet row 1", "no label")
    assert problem.answer == "add soda"


def test_solutions_of_one_goal_share_a_group(tmp_path):
    parquet(tmp_path, {**PIQA, "label": 0}, {**PIQA, "goal": " Ice  Box", "sol1": "add salt", "label": 0})
    one, other = read("piqa", tmp_path)
    assert one.group_id == other.group_id and one.problem_id != other.problem_id


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ("1\n", "valid-labels.lst field 'lines': expected 2, found 1"),
        ("1\n0\n1\n0\n", "valid-labels.lst field 'lines': expected 2, found 4"),
        ("1\n2\n", "valid.jsonl row 2 field 'label': expected 0 or 1 or -1, found '2'"),
        ("1\n-1\n", "valid.jsonl row 2 field 'label': expected 0 or 1 or -1, found '-1'"),
    ],
)
def test_label_lines_must_fit(tmp_path, labels, told):
    write(tmp_path, "valid.jsonl", PIQA, PIQA)
    write(tmp_path, "valid-labels.lst", text=labels)
    with pytest.raises(DataError) as caught:
        read("piqa", tmp_path)
    assert told in str(caught.value)


def test_labels_are_lined_up_as_they_stream(tmp_path):
    """The first row is there before the last line of either file is read."""
    write(tmp_path, "valid.jsonl", text=json.dumps(PIQA) + "\nno JSON")
    write(tmp_path, "valid-labels.lst", text="1\n" * 3)
    rows = labelled_rows(Source(tmp_path, "d", "source", {}, None))
    assert next(rows).fields == {**PIQA, "label": 1}
    with pytest.raises(DataError, match=r"valid\.jsonl row 2: not JSON"):
        next(rows)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({**PIQA, "label": 2}, "row 1 field 'label': expected 0 or 1 or -1, found 2"),
        ({**PIQA, "sol2": "", "label": 0}, "row 1 field 'sol2': expected a text with words, found ''"),
        (PIQA, "row 1 field 'label': expected a value, found ['goal', 'sol1', 'sol2']"),
    ],
)
def test_defects_of_the_hubs_rows_are_named(tmp_path, row, told):
    parquet(tmp_path, row)
    with pytest.raises(DataError) as caught:
        read("piqa", tmp_path)
    assert f"validation-00000-of-00001.parquet {told}" in str(caught.value)


def raw_lines(name: str) -> list[str]:
    return (SHARED / "piqa/data" / name).read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    found = read("piqa", SHARED / "piqa")
    return [record for record in found if isinstance(record, Problem)]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return [json.loads(line) for line in raw_lines("valid.jsonl")]


@real_rows
def test_every_row_and_its_label(problems, rows):
    labels = [int(line) for line in raw_lines("valid-labels.lst")]
    assert len(rows) == len(labels) == len(problems) > 100
    expected = [row[("sol1", "sol2")[label]].strip() for row, label in zip(rows, labels, strict=True)]
    assert [p.answer for p in problems] == expected
    for place in (0, 1):
        found = sum(p.answer == p.choices[place] for p in problems)
        assert found == labels.count(place) > 0


@real_rows
def test_unlabelled_tests_are_left_out(problems):
    assert len(raw_lines("tests.jsonl")) > 0
    assert not [p for p in problems if "tests" in p.source]


@real_rows
def test_pairs_that_differ_in_one_word(problems, rows):
    """A third of PIQA's pairs differ in one word only: near duplicates that must keep both labels."""

    def one_word(first: str, second: str) -> bool:
        one, two = first.split(), second.split()
        return len(one) == len(two) and sum(a != b for a, b in zip(one, two, strict=True)) == 1

    recount = sum(one_word(row["sol1"], row["sol2"]) for row in rows)
    assert recount > len(rows) / 5
    assert sum(one_word(*p.choices) for p in problems) == recount


@real_rows
def test_goals_of_one_or_two_words_are_kept(problems, rows):
    short = sum(len(row["goal"].split()) <= 2 for row in rows)
    assert sum(len(p.question.split()) <= 2 for p in problems) == short > 0
