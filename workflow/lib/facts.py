"""What decides on the rows of a dataset, as arrays: a million rows as objects would not fit into memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from workflow.lib import shingles
from workflow.lib.records import Record, short_hash
from workflow.lib.shingles import Hashes, Shingles


@dataclass(frozen=True)
class Facts:
    """What decides on N rows, in the order they were read; every array is of shape (N,)."""

    problem: Hashes  # problem_id
    key: Hashes  # of the text apart from case and spacing
    group: Hashes  # group_id
    label: Hashes  # gold answer
    rule: Hashes
    source: NDArray[np.int64]  # index of the source
    sets: Shingles  # n-grams of the text


def facts_of(records: Sequence[Record], source: int, words: int) -> Facts:
    """Return what decides on ``records``, all of the source with index ``source``.

    Args:
        records: Rows, in the order they were read.
        source: Index of their source.
        words: Words of an n-gram.
    """
    texts = [record.texts() for record in records]
    return Facts(
        problem=_numbers(record.problem_id[1:] for record in records),
        key=_numbers(short_hash(*(" ".join(t.casefold().split()) for t in parts)) for parts in texts),
        group=_numbers(record.group_id[1:] for record in records),
        label=_numbers(short_hash(record.label()) for record in records),
        rule=_numbers(short_hash(record.rule) for record in records),
        source=np.full(len(records), source),
        sets=shingles.unique(shingles.shingle([" ".join(parts) for parts in texts], words)),
    )


def join(parts: Sequence[Facts]) -> Facts:
    """Return the rows of all ``parts``, one after the other."""
    arrays = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Facts)
        if field.name != "sets"
    }
    return Facts(**arrays, sets=shingles.join([part.sets for part in parts]))


def _numbers(hexadecimal: Iterable[str]) -> Hashes:
    return np.array([int(digits, 16) for digits in hexadecimal], dtype=np.uint64)
