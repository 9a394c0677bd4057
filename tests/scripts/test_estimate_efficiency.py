"""Gains per unit of cost, against sums made by hand."""

import pytest

from tests.report_inputs import cost, delta
from workflow.lib.files import read_csv, write_csv
from workflow.scripts.estimate_efficiency import ROWS, chain_of, main

METHODS = {
    "sft": {"start_from": "base"},
    "reward": {"start_from": "sft"},
    "dpo": {"start_from": "sft"},
    "ppo": {
        "start_from": "sft",
        "rewards": [{"kind": "adapter", "method": "reward"}, {"kind": "classifier", "model": "bert"}],
        "held_out": "reward-held-out",
    },
    "reward-held-out": {"start_from": "base"},
}
SECONDS = {  # of each seed
    **{"sft": (1800, 5400), "reward": (1800, 1800), "dpo": (7200, 7200), "ppo": (10800, 10800)},
    "reward-held-out": (0, 3600),
}


def costs(**changes):
    return [
        cost(method, seconds) | {"seed": str(seed)} | changes
        for method, both in SECONDS.items()
        for seed, seconds in enumerate(both, 1)
    ]


def gain(method, against="base"):
    return delta("dpo") | {
        "method": method,
        "against": against,
        "delta": "0.12",
        "low": "0.06",
        "high": "0.18",
    }


def run(tmp_path, deltas, spent):
    for name, rows in (("deltas", deltas), ("costs", spent)):
        write_csv(tmp_path / f"{name}.csv", rows, list(rows[0]))
    paths = {name: str(tmp_path / f"{name}.csv") for name in ("deltas", "costs", "efficiency", "scaling")}
    main(**paths, methods=METHODS, shares=dict.fromkeys(METHODS, 1.0) | {"dpo": 0.25})
    return {(row["method"], row["quantity"]): row for row in read_csv(paths["efficiency"])}


@pytest.mark.parametrize(
    ("method", "chain"),
    [
        ("sft", ["sft"]),
        ("dpo", ["dpo", "sft"]),
        ("ppo", ["ppo", "sft", "reward", "reward-held-out"]),  # each once, sft before both that need it
    ],
)
def test_a_method_costs_all_adapters_that_it_builds_on_once(method, chain):
    assert chain_of(method, METHODS) == chain


def test_a_gain_is_divided_by_the_hours_of_the_whole_chain(tmp_path):
    rows = run(tmp_path, [gain("sft"), gain("dpo"), gain("ppo"), gain("dpo", "sft")], costs())
    # Hours: sft (0.5 + 1.5) / 2 = 1, dpo 2 + 1, ppo 3 + 1 + 0.5 + (0 + 1) / 2; nothing else was measured.
    fields = ("builds_on", "cost", "delta_per_unit", "low_per_unit", "high_per_unit")
    assert {key: tuple(row[name] for name in fields) for key, row in rows.items()} == {
        ("sft", "hours"): ("", "1.0", "0.12", "0.06", "0.18"),
        ("dpo", "hours"): ("sft", "3.0", "0.04", "0.02", "0.06"),
        ("ppo", "hours"): ("sft reward reward-held-out", "5.0", "0.024", "0.012", "0.036"),
        # 1,800 rows each, of every method in the chain
        ("sft", ROWS): ("", "1.8", "0.066667", "0.033333", "0.1"),
        ("dpo", ROWS): ("sft", "3.6", "0.033333", "0.016667", "0.05"),
        ("ppo", ROWS): ("sft reward reward-held-out", "7.2", "0.016667", "0.008333", "0.025"),
    }


def test_what_more_rows_bring_is_told_of_the_rows_of_the_method_itself(tmp_path):
    run(tmp_path, [gain("sft"), gain("dpo"), gain("dpo", "sft")], costs())
    found = read_csv(tmp_path / "scaling.csv")
    assert [(r["method"], r["trainer"], r["share"], r["rows"], r["delta"]) for r in found] == [
        ("sft", "sft", "1.0", "1800.0", "0.12"),
        ("dpo", "dpo", "0.25", "1800.0", "0.12"),
    ]


def test_quantities_that_one_run_lacks_are_left_out(tmp_path):
    known = costs(gpu_hours="2.0", energy_kwh="0.5", usd="3.0")
    known[-1] = known[-1] | {"energy_kwh": ""}  # of the held-out reward model, which PPO alone needs
    rows = run(tmp_path, [gain("dpo"), gain("ppo")], known)
    assert {key for key in rows if key[0] == "dpo"} == {
        ("dpo", unit) for unit in ("hours", "GPU hours", "kWh", "USD", ROWS)
    }
    assert {unit for method, unit in rows if method == "ppo"} == {"hours", "GPU hours", "USD", ROWS}
    assert [rows["dpo", unit]["cost"] for unit in ("GPU hours", "kWh", "USD")] == ["4.0", "1.0", "6.0"]


def test_a_gain_without_an_interval_has_none_per_hour(tmp_path):
    rows = run(tmp_path, [gain("sft") | {"low": "", "high": ""}], costs())
    row = rows["sft", "hours"]
    assert (row["delta_per_unit"], row["low_per_unit"], row["high_per_unit"]) == ("0.12", "", "")
