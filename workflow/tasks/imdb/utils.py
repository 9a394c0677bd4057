"""What the harness counts of a continuation: its words. What it is worth is for the study's scorers."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any


def process_results(doc: Mapping[str, Any], results: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return the mean number of words of the continuations of one passage."""
    return {"words": fmean(len(text.split()) for text in results[0])}
