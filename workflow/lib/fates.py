"""What becomes of every row of a dataset: a split, or out, for one stated reason.

Each step looks at the rows that the steps before it left, and none depends on the order of the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workflow.lib.duplicates import Pairs, band_keys, near_pairs, rows_per_band
from workflow.lib.facts import Facts
from workflow.lib.shingles import Hashes
from workflow.lib.splits import DEV, SPLITS, TEST, TRAIN, Shares, splits_of

# Reasons for which a row is out, in the order of the steps; their codes go on from those of the splits.
REASONS = {
    "conflicts": "the same text with two gold answers: nobody can be right",
    "duplicates": "the same text again, apart from case and spacing",
    "limits": "over the limit that the study sets for its source",
    "leakage": "its group is in a split that is held out from this one",
    "near duplicates": "nearly the same text with the same answer, of a row that stays",
}
CODES = {step: code for code, step in enumerate(REASONS, start=3)}
Rows = NDArray[np.bool_]


@dataclass(frozen=True)
class SourceRule:
    """What the study says of the rows of one source."""

    into: Literal["all", "train", "test"]
    rows_per_rule: int | None
    rows_per_group: int | None


@dataclass(frozen=True)
class Decision:
    """The fate of N rows, and the rows that are nearly the same."""

    fate: NDArray[np.int8]  # (N,): 0 train, 1 dev, 2 test, or a code of ``CODES``
    split: NDArray[np.int8]  # (N,): split of the row's group, whatever became of the row
    near: Pairs  # rows, the first of which has precedence
    same_label: Rows  # (P,): of the pairs in ``near``


def decide(facts: Facts, sources: Sequence[SourceRule], shares: Shares, near: float) -> Decision:
    """Return what becomes of every row.

    Args:
        facts: Rows as read.
        sources: What holds for each source, by the index that ``facts.source`` has.
        shares: Shares of the splits.
        near: Jaccard similarity of word n-grams from which two rows are near duplicates; 1.0 or more
            for texts that differ in their order or punctuation only.
    """
    into = np.array([source.into for source in sources])[facts.source]
    split = splits_of(facts.group, into, shares)
    fate = split.copy()
    _drop(fate, "conflicts", _conflicts(facts))
    _drop(fate, "duplicates", _repeats(facts, split, fate < 3))
    _drop(fate, "limits", _over_limits(facts, sources, fate < 3))
    _drop(fate, "leakage", _leaks(facts.group, fate))
    pairs = _near(facts, fate, near)
    same_label = facts.label[pairs.first] == facts.label[pairs.second]
    _drop(fate, "near duplicates", _dropped(pairs, same_label, split))
    return Decision(fate, split, pairs, same_label)


def near_table(facts: Facts, decision: Decision) -> pa.Table:
    """Return the pairs of rows that are nearly the same, the row that has precedence first."""
    pairs = decision.near
    columns: dict[str, Any] = {}
    for name, rows in (("first", pairs.first), ("second", pairs.second)):
        columns[name] = [f"p{number:016x}" for number in facts.problem[rows]]
        columns[f"{name}_split"] = [SPLITS[split] for split in decision.split[rows]]
    columns["similarity"] = pairs.similarity.round(4)
    columns["same_answer"] = decision.same_label
    columns["dropped"] = decision.fate[pairs.second] > len(SPLITS) - 1
    return pa.table(columns)


def _drop(fate: NDArray[np.int8], step: str, rows: Rows) -> None:
    fate[rows & (fate < 3)] = CODES[step]


def _first_of_each(*keys: Hashes | NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of the sorted rows differ from the row before in any of ``keys``, each (M,)."""
    new = np.ones(len(keys[0]), dtype=bool)
    new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return new


def _conflicts(facts: Facts) -> Rows:
    order = np.lexsort((facts.label, facts.key))
    keys, labels = facts.key[order], facts.label[order]
    text = np.cumsum(_first_of_each(keys)) - 1
    answers = np.bincount(text, _first_of_each(keys, labels))
    rows = np.zeros(len(order), dtype=bool)
    rows[order] = answers[text] > 1
    return rows


def _repeats(facts: Facts, split: NDArray[np.int8], alive: Rows) -> Rows:
    """Return the rows whose text another row has; a row of test stays before one of dev or train."""
    rows = np.flatnonzero(alive)
    order = rows[np.lexsort((facts.source[rows], facts.problem[rows], -split[rows], facts.key[rows]))]
    repeated = np.zeros(len(alive), dtype=bool)
    repeated[order] = ~_first_of_each(facts.key[order])
    return repeated


def _over_limits(facts: Facts, sources: Sequence[SourceRule], alive: Rows) -> Rows:
    """Return the rows beyond a limit; those with the smallest ``problem_id`` stay."""
    over = np.zeros(len(alive), dtype=bool)
    for index, source in enumerate(sources):
        for limit, keys in ((source.rows_per_group, facts.group), (source.rows_per_rule, facts.rule)):
            rows = np.flatnonzero(alive & ~over & (facts.source == index))
            if limit is not None and len(rows):
                order = rows[np.lexsort((facts.problem[rows], keys[rows]))]
                new = _first_of_each(keys[order])
                rank = np.arange(len(order)) - np.flatnonzero(new)[np.cumsum(new) - 1]
                over[order] = rank >= limit
    return over


def _leaks(groups: Hashes, fate: NDArray[np.int8]) -> Rows:
    """Return rows of train and dev whose group is in test, and rows of train whose group is in dev."""
    tested = np.isin(groups, groups[fate == TEST])
    tuned = np.isin(groups, groups[fate == DEV])
    leaks: Rows = ((fate < TEST) & tested) | ((fate == TRAIN) & tuned)
    return leaks


def _near(facts: Facts, fate: NDArray[np.int8], threshold: float) -> Pairs:
    """Return the near pairs of what is left; test has precedence over dev, dev over train."""
    rows = np.flatnonzero(fate < 3)
    order = rows[np.lexsort((facts.problem[rows], -fate[rows]))]
    keys = band_keys(facts.sets, rows_per_band(min(threshold, 1.0)))
    pairs = near_pairs(facts.sets, keys, facts.group, order, threshold)
    return Pairs(order[pairs.first], order[pairs.second], pairs.similarity)


def _dropped(pairs: Pairs, same_label: Rows, split: NDArray[np.int8]) -> Rows:
    """Return the rows that are near a row that stays and has the same label; test rows all stay."""
    dropped = np.zeros(len(split), dtype=bool)
    counts = same_label & (split[pairs.second] != TEST)
    for first, second in zip(pairs.first[counts], pairs.second[counts], strict=True):
        if not dropped[first]:
            dropped[second] = True
    return dropped
