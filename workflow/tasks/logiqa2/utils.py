"""Rows of ours under the column names of the harness's own LogiQA 2.0 task."""

from typing import Any


def process_docs(rows: Any) -> Any:
    """Return ``rows``, a ``datasets.Dataset``, with text and options in LogiQA's columns."""
    return rows.map(lambda row: {"text": row["context"], "options": row["choices"]})
