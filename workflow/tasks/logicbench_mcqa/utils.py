"""Scores of LogicBench's questions with four options: the option is read by the parser of verification."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from workflow.lib.answers import judge_all


def process_results(doc: Mapping[str, Any], results: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return the metrics of one problem, each a mean over its answers; one of them is of its logic alone."""
    judged = judge_all(results[0], doc)
    accuracy = fmean(j.right for j in judged)
    return {
        "accuracy": accuracy,
        f"accuracy_{doc['category']}": accuracy,
        "unparsed": fmean(j.parsed is None for j in judged),
    }
