"""Scores of LogiGLUE: over all, by reasoning type, and by the set that a question is from."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from workflow.lib.answers import judge_all


def process_results(doc: Mapping[str, Any], results: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return the metrics of one problem, each a mean over its answers.

    Of those by reasoning type and by set there is the one that the problem is in.
    """
    judged = judge_all(results[0], doc)
    accuracy = fmean(j.right for j in judged)
    return {
        "accuracy": accuracy,
        f"accuracy_{doc['category']}": accuracy,
        f"accuracy_{doc['rule']}": accuracy,
        "mean_of_sets": (doc["rule"], accuracy),
        "unparsed": fmean(j.parsed is None for j in judged),
    }


def mean_of_sets(items: Sequence[tuple[str, float]]) -> float:
    """Return the mean of the sets' accuracies, in which a small set weighs as much as a large one."""
    sets = sorted({name for name, _ in items})
    return fmean(fmean(score for name, score in items if name == each) for each in sets)
