"""Puzzles with rationales by people, in the form of PuzzleBen (arXiv 2405.04086).

``{"question": "What has keys and opens no door?", "answer": "a piano", "rationale": "A piano has …"}``, in
JSON Lines, CSV or Parquet. The dataset itself is not published under a settled name: the repository is in the
config. Rows without an answer or a rationale (its 10,000 unlabelled questions) are left out.
"""

from collections.abc import Iterator

from workflow.lib.datasets.raw import Row, Skipped, Source
from workflow.lib.records import Trace, group_id, problem_id


def solved(row: Row, source: Source) -> Iterator[Trace | Skipped]:
    """Yield the rationale of one puzzle."""
    for field in ("answer", "rationale"):
        if field in row.fields and row.fields[field] in (None, ""):
            yield Skipped(row.where, f"no {field}")
            return
    question, answer, rationale = (row.text(field) for field in ("question", "answer", "rationale"))
    yield Trace(
        problem_id=problem_id(source.dataset, question, rationale, answer),
        group_id=group_id(source.dataset, question),
        dataset=source.dataset,
        category="puzzle",
        rule="rationale",
        question=question,
        thought=rationale,
        completion=answer,
        answer=answer,
        parsed=answer,
        verdict="right",
        complete=True,
        source=row.where,
    )
