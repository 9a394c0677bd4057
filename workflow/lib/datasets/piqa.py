"""PIQA (Bisk et al., AAAI 2020, arXiv 1911.11641), in the author's files and as the hub has it.

The author's ``valid.jsonl``: ``{"goal": "ice box", "sol1": "will turn into …", "sol2": "will turn into …"}``
with a line of ``valid-labels.lst`` each, 0 for sol1 and 1 for sol2; ``tests.jsonl`` has no labels and is left
out. The hub's Parquet (baber/piqa): the same fields and ``label``, a whole number; -1 where there is none.
"""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from workflow.lib.datasets.raw import Row, Skipped, Source, json_rows, parquet_rows, text_lines
from workflow.lib.errors import DataError, problem
from workflow.lib.records import Problem, group_id, problem_id

UNLABELLED = -1


def labelled_rows(source: Source) -> Iterator[Row]:
    """Yield the rows of every Parquet file, and of every JSON Lines file that has a label file."""
    for path in sorted(source.folder.rglob("*.parquet")):
        yield from parquet_rows(path, source.folder)
    for labels in sorted(source.folder.rglob("*-labels.lst")):
        rows = labels.with_name(labels.name.replace("-labels.lst", ".jsonl"))
        yield from lined_up(rows, labels, source.folder)


def lined_up(rows: Path, labels: Path, root: Path) -> Iterator[Row]:
    """Yield the rows of a JSON Lines file, each with its line of the label file, as they stream."""
    pairs = zip_longest(json_rows(rows, root), text_lines(labels, root))
    for number, (row, label) in enumerate(pairs):
        if row is None or label is None:
            longer = number + 1 + sum(1 for _ in pairs)
            expected, found = (number, longer) if row is None else (longer, number)
            where, again = labels.relative_to(root).as_posix(), "fetch both files again"
            raise DataError(problem(where, "lines", expected=str(expected), found=found, fix=again))
        yield Row(row.where, {**row.fields, "label": int(label) if label in ("0", "1") else label})


def goal(row: Row, source: Source) -> Iterator[Problem | Skipped]:
    """Yield the problem of one goal and its two solutions."""
    goal, solutions = row.text("goal"), [row.text("sol1"), row.text("sol2")]
    label = row.one_of("label", [0, 1, UNLABELLED])
    if label == UNLABELLED:
        yield Skipped(row.where, "no label")
        return
    yield Problem(
        problem_id=problem_id(source.dataset, goal, *solutions),
        group_id=group_id(source.dataset, goal),
        dataset=source.dataset,
        category="commonsense",
        rule="physical",
        context="",
        question=goal,
        choices=solutions,
        answer=solutions[label],
        verifier="gold",
        instance="",
        planted="",
        source=row.where,
    )
