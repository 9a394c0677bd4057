"""The card of a dataset: rows in and out of every step, and what the splits hold."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from workflow.lib.artefacts import examples, findings, traits
from workflow.lib.baselines import baselines
from workflow.lib.fates import CODES, REASONS
from workflow.lib.parquet import tables_of
from workflow.lib.records import Problem, Record, records_in
from workflow.lib.splits import SPLITS

COUNTED = ("category", "rule", "answer", "verdict", "planted")  # columns whose values are counted
LONGEST = 100  # values of a column above which only their number is told
SHOWN = 20  # pairs of rows
EXAMPLES = 3  # of each split


def funnel(skipped: Counter[str], fates: Counter[int]) -> list[dict[str, Any]]:
    """Return rows in and out of each step with the reason.

    Args:
        skipped: Rows that the adapter left out, by reason.
        fates: Rows by the code of their fate, as ``workflow.lib.fates`` has them.
    """
    rows = sum(fates.values()) + sum(skipped.values())
    reasons = "; ".join(f"{reason} ({count})" for reason, count in sorted(skipped.items()))
    lost = {"reading": (sum(skipped.values()), reasons or "every row of the files is a record")}
    lost |= {step: (fates[CODES[step]], reason) for step, reason in REASONS.items()}
    steps = []
    for step, (count, reason) in lost.items():
        steps.append({"step": step, "rows_in": rows, "rows_out": rows - count, "reason": reason})
        rows -= count
    return steps


def describe(path: str) -> dict[str, Any]:
    """Return rows, groups, and how often each value of the columns in ``COUNTED`` stands in a split."""
    rows, groups = 0, set()
    counts: dict[str, Counter[str]] = {}
    for table in tables_of(path):
        rows += table.num_rows
        groups.update(table["group_id"].unique().to_pylist())
        for column in (name for name in COUNTED if name in table.column_names):
            found = {str(e["values"] or ""): e["counts"] for e in table[column].value_counts().to_pylist()}
            counts.setdefault(column, Counter()).update(found)
        if "choices" in table.column_names:
            counts.setdefault("position", Counter()).update(_positions(table))
    return {"rows": rows, "groups": len(groups), **{name: _shown(found) for name, found in counts.items()}}


def _positions(table: pa.Table) -> Counter[str]:
    """Count at which place gold stands among the choices of each row that has both."""
    pairs = zip(table["choices"].to_pylist(), table["answer"].to_pylist(), strict=True)
    return Counter(str(choices.index(answer) + 1) for choices, answer in pairs if answer in choices)


def _shown(found: Counter[str]) -> dict[str, int] | int:
    return dict(sorted(found.items())) if len(found) <= LONGEST else len(found)


def near_counts(pairs: pa.Table) -> dict[str, Any]:
    """Return the pairs of nearly equal rows: how many, between which splits, and some with other answers."""
    twins = pairs.filter(pc.invert(pairs["same_answer"]))
    between = Counter(
        f"{first} and {second}"
        for first, second in zip(
            pairs["first_split"].to_pylist(), pairs["second_split"].to_pylist(), strict=True
        )
    )
    sizes = cluster_sizes(pairs["first"].to_pylist(), pairs["second"].to_pylist())
    return {
        "pairs": pairs.num_rows,
        "other_answer": twins.num_rows,
        "between": dict(sorted(between.items())),
        "clusters": len(sizes),
        "largest_cluster": max(sizes, default=0),
        "examples": twins.select(["first", "second", "similarity"]).slice(0, SHOWN).to_pylist(),
    }


def cluster_sizes(first: Sequence[str], second: Sequence[str]) -> list[int]:
    """Return how many rows hang together by the pairs ``first[i]``, ``second[i]``, for each cluster."""
    names, places = np.unique([*first, *second], return_inverse=True)
    ends = (places[: len(first)], places[len(first) :])
    links = coo_array((np.ones(len(first)), ends), shape=(len(names), len(names)))
    _, labels = connected_components(links, directed=False)
    return sorted(np.bincount(labels).tolist(), reverse=True) if len(names) else []


def conflict_lines(rows: Iterator[pa.Table]) -> list[dict[str, str]]:
    """Return where some of the ``rows`` stand whose text has two gold answers, and what each of them says."""
    shown = ["source", "question", "answer"]
    found = pa.concat_tables(table.select(shown) for table in rows).sort_by("question").slice(0, SHOWN)
    return [{name: str(row[name]) for name in shown} for row in found.to_pylist()]


def given_away(splits: Mapping[str, str]) -> dict[str, Any]:
    """Return what rules that do not reason get right in a dataset of problems, and what that means."""
    facts = traits(chain.from_iterable(records_in(splits[split], Problem) for split in SPLITS))
    found = baselines(records_in(splits["train"], Problem), records_in(splits["test"], Problem))
    about = {"baselines": [asdict(baseline) for baseline in found], "traits": asdict(facts)}
    return {**about, "findings": findings(found, facts)}


def dataset_card(
    dataset: str,
    kind: type[Record],
    splits: Mapping[str, str],
    skipped: Counter[str],
    fates: Counter[int],
    conflicts: list[dict[str, str]],
    near: pa.Table,
    seed: int,
) -> dict[str, Any]:
    """Return what there is to say of a dataset after its splits were written.

    Args:
        dataset: Its name.
        kind: Class of its records.
        splits: Path of the Parquet file of each split.
        skipped: Rows that the adapter left out, by reason.
        fates: Rows by the code of their fate.
        conflicts: Where some of the rows stand whose text has two gold answers.
        near: Pairs of rows that are nearly the same.
        seed: Of the choice of examples.
    """
    described = {split: describe(splits[split]) for split in SPLITS}
    return {
        "dataset": dataset,
        "stage": "data",
        "kind": kind.__name__,
        "funnel": funnel(skipped, fates),
        "rows": {split: described[split]["rows"] for split in SPLITS},
        "splits": described,
        "conflicts": conflicts,
        "near": near_counts(near),
        "examples": {split: examples(records_in(splits[split], kind), seed, EXAMPLES) for split in SPLITS},
        **(given_away(splits) if kind is Problem else {"baselines": [], "findings": []}),
    }
