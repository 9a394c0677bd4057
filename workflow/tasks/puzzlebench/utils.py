"""Scores of puzzles: a verifier decides whether the stated answer solves the instance."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from workflow.lib.answers import judge_all


def process_results(doc: Mapping[str, Any], results: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return the metrics of one puzzle, each a mean over its answers."""
    judged = judge_all(results[0], doc)
    return {
        "accuracy": fmean(j.right for j in judged),
        "unparsed": fmean(j.parsed is None for j in judged),
    }
