"""Scored answers of many policies: read from their files, sorted into groups, paired."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import TypeVar

from workflow.lib.errors import IntegrityError, problem
from workflow.lib.records import Sample, load

Record = TypeVar("Record")
Key = tuple[str | int, ...]
PAIR = ("problem_id", "repeat", "seed")  # what two answers must share to be compared


def load_samples(paths: Iterable[str]) -> list[Sample]:
    """Return the samples of all files, in the order of the files and of their rows."""
    return [sample for path in paths for sample in load(path, Sample)]


def key_of(record: object, fields: Sequence[str]) -> Key:
    """Return the values of ``fields`` of a record."""
    return tuple(getattr(record, field) for field in fields)


def grouped(records: Iterable[Record], *fields: str) -> dict[Key, list[Record]]:
    """Return the records by the values of ``fields``, in the order in which the values first occur."""
    groups: dict[Key, list[Record]] = {}
    for record in records:
        groups.setdefault(key_of(record, fields), []).append(record)
    return groups


def mean_score(samples: Sequence[Sample]) -> float:
    """Return the mean score of the samples."""
    return fmean(sample.score for sample in samples)


def paired(left: Sequence[Sample], right: Sequence[Sample]) -> list[tuple[Sample, Sample]]:
    """Return the answers of two methods to the same problem, repeat and seed, in sorted order.

    Raises:
        IntegrityError: One method has an answer that the other lacks, or has two.
    """
    ours, theirs = ({key_of(sample, PAIR): sample for sample in side} for side in (left, right))
    lonely = sorted(set(ours) ^ set(theirs))
    if lonely or len(ours) != len(left) or len(theirs) != len(right):
        raise IntegrityError(
            problem(
                f"samples of {left[0].method} and {right[0].method} on {left[0].task}",
                "problem_id, repeat, seed",
                expected="one answer of each method to every problem, repeat and seed",
                found=f"{len(left)} and {len(right)} rows, {len(lonely)} without a partner {lonely[:1]}",
                fix="evaluate both methods again on the same task",
            )
        )
    return [(ours[key], theirs[key]) for key in sorted(ours)]
