"""The card of a dataset: counts by hand."""

import itertools
from collections import Counter
from pathlib import Path

import pyarrow as pa

from workflow.lib.datacards import cluster_sizes, dataset_card, funnel
from workflow.lib.fates import CODES
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, group_id, problem_id, table
from workflow.lib.splits import SPLITS

NO_PAIRS = pa.table(
    {
        **{name: pa.array([], pa.string()) for name in ("first", "first_split", "second", "second_split")},
        "similarity": pa.array([], pa.float64()),
        **{name: pa.array([], pa.bool_()) for name in ("same_answer", "dropped")},
    }
)


def problem(context: str, question: str, answer: str) -> Problem:
    return Problem(
        problem_id=problem_id("d", context, question),
        group_id=group_id("d", context),
        dataset="d",
        category="propositional",
        rule="modus_tollens",
        context=context,
        question=question,
        choices=["yes", "no"],
        answer=answer,
        verifier="gold",
        instance="",
        planted="ambiguous" if question == "Odd?" else "",
        source="file row 1",
    )


ROWS = {
    "train": [problem("A.", "Wet?", "yes"), problem("A.", "Dry?", "no"), problem("B.", "Odd?", "no")],
    "dev": [],
    "test": [problem("C.", "Wet?", "yes")],
}


def card(folder: Path, near: pa.Table = NO_PAIRS) -> dict:
    paths = {split: str(folder / f"{split}.parquet") for split in SPLITS}
    for split, path in paths.items():
        write_parquet(path, table(ROWS[split], Problem))
    return dataset_card("d", Problem, paths, Counter({"short": 2}), Counter({0: 3, 2: 1, 4: 5}), [], near, 1)


def test_every_row_is_in_the_funnel():
    steps = funnel(Counter({"short": 2, "long": 1}), Counter({0: 3, 1: 2, 2: 1, CODES["limits"]: 4}))
    # 3 + 2 + 1 + 4 records and 3 rows left out
    assert (steps[0]["step"], steps[0]["rows_in"], steps[0]["rows_out"]) == ("reading", 13, 10)
    assert steps[0]["reason"] == "long (1); short (2)"
    assert steps[-1]["rows_out"] == 6 and [s["step"] for s in steps[1:]] == list(CODES)
    assert all(one["rows_out"] == two["rows_in"] for one, two in itertools.pairwise(steps))


def test_splits_are_described(tmp_path):
    made = card(tmp_path)
    assert made["rows"] == {"train": 3, "dev": 0, "test": 1}
    train = made["splits"]["train"]
    assert (train["rows"], train["groups"]) == (3, 2)
    assert train["answer"] == {"no": 2, "yes": 1} and train["position"] == {"1": 1, "2": 2}
    assert train["planted"] == {"": 2, "ambiguous": 1}
    assert made["splits"]["dev"] == {"rows": 0, "groups": 0}


def test_near_pairs_are_counted_and_twins_shown(tmp_path):
    rows = [
        {"first": "p1", "first_split": "test", "second": "p2", "second_split": "train"},
        {"first": "p1", "first_split": "test", "second": "p3", "second_split": "train"},
    ]
    rows[0] |= {"similarity": 0.9, "same_answer": True, "dropped": True}
    rows[1] |= {"similarity": 0.8, "same_answer": False, "dropped": False}
    near = card(tmp_path, pa.Table.from_pylist(rows))["near"]
    assert (near["pairs"], near["other_answer"]) == (2, 1)
    assert near["between"] == {"test and train": 2}
    assert (near["clusters"], near["largest_cluster"]) == (1, 3)
    assert near["examples"] == [{"first": "p1", "second": "p3", "similarity": 0.8}]


def test_clusters_are_what_hangs_together():
    # a-b-c and d-e
    assert cluster_sizes(["a", "b", "d"], ["b", "c", "e"]) == [3, 2]
    assert cluster_sizes([], []) == []
