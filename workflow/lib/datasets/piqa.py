"""PIQA (Bisk et al., AAAI 2020, arXiv 1911.11641) in the author's files.

``valid.jsonl``: ``{"goal": "ice box", "sol1": "will turn into …", "sol2": "will turn into …"}`` with a
line of ``valid-labels.lst`` each, 0 for sol1 and 1 for sol2; ``tests.jsonl`` has no labels and is left out.
"""

from collections.abc import Iterator
from pathlib import Path

from workflow.lib.datasets.raw import json_rows, text_lines
from workflow.lib.errors import DataError, problem
from workflow.lib.records import Problem, group_id, problem_id


def piqa(root: Path, dataset: str) -> Iterator[Problem]:
    """Yield a problem per row of every JSON Lines file below ``root`` that has a label file."""
    for labels_path in sorted(root.rglob("*-labels.lst")):
        path = labels_path.with_name(labels_path.name.replace("-labels.lst", ".jsonl"))
        labels = text_lines(labels_path, root)
        rows = list(json_rows(path, root))
        if len(labels) != len(rows):
            where = labels_path.relative_to(root).as_posix()
            raise DataError(
                problem(
                    where, "lines", expected=f"{len(rows)}", found=len(labels), fix="fetch both files again"
                )
            )
        for row, label in zip(rows, labels, strict=True):
            goal, solutions = row.text("goal"), [row.text("sol1"), row.text("sol2")]
            if label not in ("0", "1"):
                raise DataError(
                    problem(row.where, "label", expected="0 or 1", found=label, fix="mend or drop the row")
                )
            yield Problem(
                problem_id=problem_id(dataset, row.where, goal, *solutions),
                group_id=group_id(dataset, goal),
                dataset=dataset,
                category="commonsense",
                rule="physical",
                context="",
                question=goal,
                choices=solutions,
                answer=solutions[int(label)],
                verifier="gold",
                instance="",
                planted="",
                source=row.where,
            )
