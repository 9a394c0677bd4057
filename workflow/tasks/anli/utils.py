"""Rows of ours under the column names of the harness's own ANLI tasks."""

from collections.abc import Mapping
from typing import Any

from workflow.lib.errors import DataError, problem

LABELS = ["entailment", "neutral", "contradiction"]  # in the order of the harness: True, Neither, False


def process_docs(rows: Any) -> Any:
    """Return ``rows``, a ``datasets.Dataset``, with premise, hypothesis and label in ANLI's columns."""
    return rows.map(premise_and_hypothesis)


def premise_and_hypothesis(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of ANLI for one row of ours."""
    if row["answer"] not in LABELS:
        expected, fix = f"one of {LABELS}", "write the answers so in the dataset's files"
        raise DataError(problem(row["source"], "answer", expected=expected, found=row["answer"], fix=fix))
    label = LABELS.index(row["answer"])
    return {"premise": row["context"], "hypothesis": row["question"], "label": label, "choices": LABELS}
