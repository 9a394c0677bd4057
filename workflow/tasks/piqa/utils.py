"""Rows of ours under the column names of the harness's own PIQA task."""

from typing import Any


def process_docs(rows: Any) -> Any:
    """Return ``rows``, a ``datasets.Dataset``, with the goal and both solutions in PIQA's columns."""
    return rows.map(
        lambda row: {"goal": row["question"], "sol1": row["choices"][0], "sol2": row["choices"][1]}
    )
