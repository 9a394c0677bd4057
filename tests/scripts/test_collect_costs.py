"""Costs of all runs in one table; what was not measured is an empty cell."""

import pytest

from workflow.lib.errors import DataError
from workflow.lib.files import read_csv, write_json
from workflow.scripts import collect_costs

RUN = {
    **{"dataset": "logic", "model": "tiny", "method": "ppo", "seed": 2, "steps": 40, "rows": 640},
    **{"seconds_total": 61.5, "seconds_training": 60.0, "tokens": 12000, "tokens_per_second": 200.0},
    **{"samples_per_second": 10.5, "peak_rss_mib": 900.0, "peak_gpu_mib": None, "gpu_hours": 0.0},
    **{"energy_kwh": None, "mfu": None, "final": {"reward": 1.0}},
    "budget": None,
}


def test_table_has_one_row_per_run(tmp_path):
    for seed in (1, 2):
        write_json(tmp_path / f"{seed}.json", RUN | {"seed": seed})
    paths = [str(tmp_path / f"{seed}.json") for seed in (2, 1)]
    collect_costs.main(runs=paths, costs=str(tmp_path / "costs.csv"), usd_per_gpu_hour=None)
    rows = read_csv(tmp_path / "costs.csv")
    assert [row["seed"] for row in rows] == ["2", "1"]
    assert rows[0] == {
        **{"dataset": "logic", "model": "tiny", "method": "ppo", "seed": "2", "steps": "40", "rows": "640"},
        **{
            "seconds_total": "61.5",
            "seconds_training": "60.0",
            "tokens": "12000",
            "tokens_per_second": "200.0",
        },
        **{"samples_per_second": "10.5", "peak_rss_mib": "900.0", "peak_gpu_mib": "", "gpu_hours": "0.0"},
        **{"energy_kwh": "", "mfu": "", "usd": ""},
        **{"budget_unit": "", "budget_amount": "", "budget_used": ""},
    }


def test_dollars_follow_the_price_and_the_budget_is_told(tmp_path):
    budget = {"unit": "steps", "amount": 40, "used": 38, "reproducible": True}
    write_json(tmp_path / "run.json", RUN | {"gpu_hours": 2.5, "mfu": 0.4, "budget": budget})
    paths = {"runs": [str(tmp_path / "run.json")], "costs": str(tmp_path / "costs.csv")}
    collect_costs.main(**paths, usd_per_gpu_hour=3.0)
    (row,) = read_csv(tmp_path / "costs.csv")
    assert float(row["usd"]) == 7.5  # 2.5 hours at 3 dollars
    assert (row["budget_unit"], row["budget_amount"], row["budget_used"]) == ("steps", "40", "38")
    assert row["mfu"] == "0.4"


def test_run_without_a_cost_is_an_error(tmp_path):
    write_json(tmp_path / "run.json", {key: RUN[key] for key in RUN if key != "tokens"})
    with pytest.raises(DataError, match=r"run\.json field 'tokens': expected a value, or null"):
        collect_costs.main(
            runs=[str(tmp_path / "run.json")], costs=str(tmp_path / "costs.csv"), usd_per_gpu_hour=1.0
        )
