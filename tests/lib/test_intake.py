"""Records on their way: bad rows are told together, the gold check, and rows that wait on disk."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from workflow.lib.datasets.raw import Row, Skipped, Source
from workflow.lib.datasets.registry import Adapter
from workflow.lib.errors import DataError
from workflow.lib.intake import MOST_PROBLEMS, Spill, batches, gold_problem, read_records
from workflow.lib.records import Problem, group_id, problem_id

SOURCE = Source(Path("nowhere"), "d", "s", {}, None)


def problem(question: str, answer: str | None = "yes", choices: tuple[str, ...] = ("yes", "no")) -> Problem:
    return Problem(
        problem_id=problem_id("d", question),
        group_id=group_id("d", question),
        dataset="d",
        category="propositional",
        rule="modus_tollens",
        context="",
        question=question,
        choices=list(choices),
        answer=answer,
        verifier="gold",
        instance="",
        planted="",
        source="file row 1",
    )


def adapter(values: list[object]) -> Adapter:
    def rows(source: Source) -> Iterator[Row]:
        yield from (Row(f"file row {i}", {"question": value}) for i, value in enumerate(values, start=1))

    def records(row: Row, source: Source) -> Iterator[Problem | Skipped]:
        text = row.text("question")
        yield Skipped(row.where, "short") if len(text) < 2 else problem(text)

    return Adapter(Problem, rows, records)


def test_rows_and_what_is_left_out_come_in_order():
    found = list(read_records(adapter(["Wet?", "x", "Dry?"]), SOURCE))
    assert found == [problem("Wet?"), Skipped("file row 2", "short"), problem("Dry?")]


@pytest.mark.parametrize(("bad", "lines"), [(1, 1), (MOST_PROBLEMS - 1, 19), (MOST_PROBLEMS + 9, 21)])
def test_bad_rows_are_told_together(bad, lines):
    with pytest.raises(DataError) as caught:
        list(read_records(adapter(["Wet?", *[7] * bad]), SOURCE))
    told = str(caught.value).splitlines()
    assert len(told) == lines and "file row 2 field 'question': expected a text, found 7" in told[0]


def test_gold_that_our_scorer_refuses_is_told():
    assert gold_problem(problem("Wet?")) is None
    assert gold_problem(problem("Wet?", None)) is None
    told = gold_problem(problem("Wet?", "maybe"))
    assert told and told.startswith("file row 1 field 'answer': expected an answer that 'gold' accepts")


def test_rows_wait_on_disk_and_come_back_sorted(tmp_path):
    problems = [problem(f"Question {i}?") for i in range(100)]
    spill = Spill(tmp_path, Problem)
    for batch in batches(problems, 30):
        spill.add(batch)
    spill.close()
    wanted = np.arange(100) % 3 == 0
    found = [Problem(**row) for table in spill.sorted(wanted) for row in table.to_pylist()]
    assert spill.rows == 100 and len(found) == 34
    assert found == sorted(problems[::3], key=lambda p: p.problem_id)


def test_batches_lose_nothing():
    problems = [problem(str(i)) for i in range(7)]
    assert [len(batch) for batch in batches(problems, 3)] == [3, 3, 1]
    assert [p for batch in batches(problems, 3) for p in batch] == problems
