"""Curves of all runs in one table, finite or refused."""

import pyarrow as pa
import pytest

from workflow.lib.errors import NumericalError
from workflow.lib.files import read_csv
from workflow.lib.parquet import write_parquet
from workflow.scripts import collect_curves


def write_curve(path, seed, points):
    label = {"dataset": "logic", "model": "tiny", "method": "dpo", "seed": seed}
    rows = [label | {"step": step, "quantity": name, "value": value} for step, name, value in points]
    write_parquet(path, pa.Table.from_pylist(rows))
    return str(path)


def test_points_stand_by_run_quantity_and_step(tmp_path):
    paths = [
        write_curve(tmp_path / "2", 2, [(10, "loss", 0.5), (2, "loss", 0.75), (2, "kl", 0.0)]),
        write_curve(tmp_path / "1", 1, [(1, "loss", 0.25)]),
    ]
    collect_curves.main(curves_of_runs=paths, curves=str(tmp_path / "curves.csv"))
    rows = read_csv(tmp_path / "curves.csv")
    assert list(rows[0]) == collect_curves.COLUMNS
    assert [(r["seed"], r["quantity"], r["step"], r["value"]) for r in rows] == [
        ("2", "kl", "2", "0.0"),
        ("2", "loss", "2", "0.75"),
        ("2", "loss", "10", "0.5"),
        ("1", "loss", "1", "0.25"),
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_value_that_is_no_number_is_refused_with_its_place(tmp_path, value):
    path = write_curve(tmp_path / "run", 1, [(1, "loss", 0.5), (2, "loss", value)])
    with pytest.raises(NumericalError, match=r"run row 2 field 'loss': expected a finite number at step 2"):
        collect_curves.main(curves_of_runs=[path], curves=str(tmp_path / "curves.csv"))
    assert not (tmp_path / "curves.csv").exists()
