"""Scored answers of many policies: read from their files, sorted into groups, paired."""

from collections.abc import Iterable, Sequence

from workflow.lib.errors import IntegrityError, problem
from workflow.lib.records import Sample, load

Key = tuple[str | int, ...]
PAIR = ("problem_id", "repeat", "seed")  # what two answers must share to be compared


def load_samples(paths: Iterable[str]) -> list[Sample]:
    """Return the samples of all files, in the order of the files and of their rows."""
    return [sample for path in paths for sample in load(path, Sample)]


def key_of(sample: Sample, fields: Sequence[str]) -> Key:
    """Return the values of ``fields`` of a sample."""
    return tuple(getattr(sample, field) for field in fields)


def grouped(samples: Iterable[Sample], *fields: str) -> dict[Key, list[Sample]]:
    """Return the samples by the values of ``fields``, in the order in which the values first occur."""
    groups: dict[Key, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(key_of(sample, fields), []).append(sample)
    return groups


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
