"""Tables of confidence against numbers made by hand."""

from math import log

import pytest

from tests.hand_samples import SETTINGS, sample, write_samples
from workflow.lib.files import read_csv
from workflow.scripts import estimate_calibration

# Four answers with their confidence and whether they are right, each a group.
ANSWERS = [(0.75, 1.0), (0.75, 0.0), (0.55, 1.0), (0.95, 1.0)]
TABLES = {"calibrations": "calibration", "reliabilities": "reliability", "selectives": "selective"}


def options(method="dpo"):
    return [
        sample(
            **{"method": method, "task": "goals", "problem_id": f"p{i}", "group_id": f"g{i}"},
            **{"score": score, "loglikelihoods": [log(1 - p), log(p)]},
        )
        for i, (p, score) in enumerate(ANSWERS)
    ]


def run(tmp_path, *files):
    paths = [write_samples(tmp_path / f"{n}.parquet", some) for n, some in enumerate(files)]
    outputs = {argument: str(tmp_path / f"{name}.csv") for argument, name in TABLES.items()}
    estimate_calibration.main(samples=paths, settings=SETTINGS, **outputs)
    return {name: read_csv(tmp_path / f"{name}.csv") for name in TABLES.values()}


def test_confidence_accuracy_error_and_brier_score(tmp_path):
    rows = run(tmp_path, options())["calibration"]
    # Confidence (0.75 + 0.75 + 0.55 + 0.95) / 4; three of four right; gaps by bin |1 - 1.5|, 0.45 and 0.05,
    # in sum 1 / 4; Brier (0.0625 + 0.5625 + 0.2025 + 0.0025) / 4.
    assert {row["quantity"]: float(row["estimate"]) for row in rows} == {
        **{"confidence": 0.75, "accuracy": 0.75},
        **{"calibration_error": pytest.approx(0.25), "brier": pytest.approx(0.2075)},
    }
    assert {(row["n"], row["groups"]) for row in rows} == {("4", "4")}
    assert all(float(row["low"]) < float(row["estimate"]) < float(row["high"]) for row in rows)


def test_each_bin_with_answers_has_its_confidence_and_accuracy(tmp_path):
    rows = run(tmp_path, options())["reliability"]
    fields = ("bin_low", "bin_high", "confidence", "n", "estimate")
    assert [tuple(row[name] for name in fields) for row in rows] == [
        ("0.5", "0.6", "0.55", "1", "1.0"),
        ("0.7", "0.8", "0.75", "2", "0.5"),
        ("0.9", "1.0", "0.95", "1", "1.0"),
    ]
    assert rows[0]["interval"] == "n/a (1 group)"


def test_the_most_confident_share_is_chosen_first(tmp_path):
    rows = run(tmp_path, options())["selective"]
    # Of four answers: a tenth to three tenths are one, 0.4 to 0.6 two, 0.7 and 0.8 three. The two answers of
    # 0.75 tie and stand in their order, the right one first.
    found = {float(row["coverage"]): (row["n"], row["least_confidence"], row["estimate"]) for row in rows}
    assert found == {
        **dict.fromkeys((0.1, 0.2, 0.3), ("1", "0.95", "1.0")),
        **dict.fromkeys((0.4, 0.5, 0.6), ("2", "0.75", "1.0")),
        **dict.fromkeys((0.7, 0.8), ("3", "0.75", "0.666667")),
        **dict.fromkeys((0.9, 1.0), ("4", "0.55", "0.75")),
    }


def test_answers_in_words_have_no_confidence_and_methods_stand_apart(tmp_path):
    found = run(tmp_path, options("base"), options(), [sample(method="dpo")])
    assert [(row["task"], row["method"]) for row in found["calibration"][::4]] == [
        ("goals", "base"),
        ("goals", "dpo"),
    ]
    assert all(rows == [] for rows in run(tmp_path, [sample()]).values())
