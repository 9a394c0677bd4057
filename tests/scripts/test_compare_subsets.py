"""Scores on all, clean and contaminated problems, by hand."""

import pytest

from tests.hand_samples import SETTINGS, sample, write_samples
from workflow.lib.errors import IntegrityError
from workflow.lib.files import read_csv
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Overlap, table
from workflow.scripts.compare_subsets import main

SCORES = {"base": [1, 0, 0, 0, 1, 0], "dpo": [1, 1, 1, 0, 1, 1]}  # of six problems, each a group
SEEN = [True, True, False, False, False, False]


def run(folder, seen=SEEN):
    samples = [
        sample(method=method, problem_id=f"p{i}", group_id=f"g{i}", score=float(score))
        for method, scores in SCORES.items()
        for i, score in enumerate(scores)
    ]
    rows = [Overlap("logic", f"p{i}", float(found), found, "") for i, found in enumerate(seen)]
    write_parquet(folder / "seen.parquet", table(rows, Overlap))
    main(
        samples=[write_samples(folder / "samples.parquet", samples)],
        contamination={"logic": str(folder / "seen.parquet")},
        subsets=str(folder / "subsets.csv"),
        settings=SETTINGS,
    )
    return {(row["method"], row["subset"]): row for row in read_csv(folder / "subsets.csv")}


def test_every_policy_on_every_subset(tmp_path):
    found = {key: (row["n"], row["estimate"], row["delta"]) for key, row in run(tmp_path).items()}
    assert found == {
        ("base", "all"): ("6", str(round(2 / 6, 6)), ""),
        ("base", "clean"): ("4", "0.25", ""),
        ("base", "contaminated"): ("2", "0.5", ""),
        ("dpo", "all"): ("6", str(round(5 / 6, 6)), "0.5"),
        ("dpo", "clean"): ("4", "0.75", "0.5"),
        ("dpo", "contaminated"): ("2", "1.0", "0.5"),
    }


def test_without_contaminated_problems_their_cells_are_empty(tmp_path):
    rows = run(tmp_path, [False] * 6)
    assert rows["dpo", "contaminated"]["n"] == "0"
    assert all(rows["dpo", "contaminated"][field] == "" for field in ("estimate", "low", "delta"))
    assert rows["dpo", "clean"]["estimate"] == rows["dpo", "all"]["estimate"]


def test_a_problem_that_nobody_looked_at_is_no_clean_one(tmp_path):
    with pytest.raises(IntegrityError, match="1 are missing, as p5"):
        run(tmp_path, SEEN[:5])
