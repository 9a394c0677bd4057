"""Scores of LogicBench's yes/no questions: the answer is read by the parser that verification uses."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from workflow.lib.answers import judge_all


def process_results(doc: Mapping[str, Any], results: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return the metrics of one problem, each a mean over its answers.

    ``accuracy_yes`` and ``accuracy_no`` exist only for problems whose gold answer is that one.
    """
    judged = judge_all(results[0], doc)
    accuracy = fmean(j.right for j in judged)
    return {
        "accuracy": accuracy,
        f"accuracy_{doc['answer']}": accuracy,
        "balanced": (doc["answer"], accuracy),
        "unparsed": fmean(j.parsed is None for j in judged),
    }


def balanced(items: Sequence[tuple[str, float]]) -> float:
    """Return the mean, over the gold answers that occur, of the accuracy on problems with that answer."""
    answers = sorted({answer for answer, _ in items})
    return fmean(fmean(score for a, score in items if a == answer) for answer in answers)
