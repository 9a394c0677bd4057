"""Puzzles with an instance and a verifier, in reasoning-gym's rows.

``{"generator": "ordering", "seed": 1, "index": 0, "question": "…", "answer": "…", "metadata": {…}}``:
many answers may be right, so the verifier named by ``generator`` decides on the instance in ``metadata``.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from workflow.lib.datasets.raw import json_rows
from workflow.lib.records import Problem, group_id, problem_id
from workflow.lib.verifiers import VERIFIERS


def puzzle(root: Path, dataset: str) -> Iterator[Problem]:
    """Yield a problem per row of every JSON Lines file below ``root`` but the planted ones."""
    for path in sorted(p for p in root.rglob("*.jsonl") if p.name != "planted.jsonl"):
        for row in json_rows(path, root):
            question = row.text("question")
            verifier = row.one_of("generator", sorted(VERIFIERS))
            yield Problem(
                problem_id=problem_id(dataset, row.where, question),
                group_id=group_id(dataset, question),
                dataset=dataset,
                category="puzzle",
                rule=verifier,
                context="",
                question=question,
                choices=[],
                answer=row.text("answer"),
                verifier=verifier,
                instance=json.dumps(row.fields["metadata"], sort_keys=True),
                planted="",
                source=row.where,
            )
