"""The table of ranked pairs against counts made by hand."""

import pyarrow as pa

from tests.hand_samples import SETTINGS
from workflow.lib.files import read_csv
from workflow.lib.parquet import write_parquet
from workflow.scripts import estimate_rewards

PAIRS = [  # seed, group, chosen and rejected reward
    (1, "a", 2.0, 1.0),
    (1, "a", 0.5, 1.0),
    (1, "b", 3.0, 0.0),
    (2, "a", 1.0, 1.0),
    (2, "b", 2.5, 2.0),
]


def write_pairs(path, pairs, method="reward"):
    rows = [
        {
            "dataset": "logic",
            "model": "tiny",
            "method": method,
            "seed": seed,
            "task": "quiz",
            "group_id": group,
        }
        | {
            "chosen_reward": right,
            "rejected_reward": wrong,
            "correct": 0.5 + 0.5 * ((right > wrong) - (right < wrong)),
        }
        for seed, group, right, wrong in pairs
    ]
    write_parquet(path, pa.Table.from_pylist(rows))
    return str(path)


def test_estimates_over_seeds_and_per_seed(tmp_path):
    paths = [write_pairs(tmp_path / f"{seed}.parquet", [p for p in PAIRS if p[0] == seed]) for seed in (1, 2)]
    table = tmp_path / "rewards.csv"
    estimate_rewards.main(pairs=paths, rewards=str(table), settings=SETTINGS)
    found = {
        row["seed"]: (row["n"], row["groups"], row["estimate"], row["margin"]) for row in read_csv(table)
    }
    # right: 2 of 3, then a tie and 1 of 1 makes 1.5 of 2; margins 1 - 0.5 + 3 = 3.5 and 0 + 0.5
    assert found == {
        "all": ("5", "2", "0.7", "0.8"),
        "1": ("3", "2", "0.666667", "1.166667"),
        "2": ("2", "2", "0.75", "0.25"),
    }


def test_reward_models_are_estimated_apart(tmp_path):
    one = write_pairs(tmp_path / "one.parquet", PAIRS[:2])
    two = write_pairs(tmp_path / "two.parquet", PAIRS[:1], "reward-held-out")
    estimate_rewards.main(pairs=[one, two], rewards=str(tmp_path / "rewards.csv"), settings=SETTINGS)
    found = [(r["method"], r["seed"], r["n"]) for r in read_csv(tmp_path / "rewards.csv")]
    assert found == [
        *[("reward", "all", "2"), ("reward", "1", "2")],
        *[("reward-held-out", "all", "1"), ("reward-held-out", "1", "1")],
    ]


def test_study_without_reward_model_has_an_empty_table(tmp_path):
    estimate_rewards.main(pairs=[], rewards=str(tmp_path / "rewards.csv"), settings=SETTINGS)
    assert (tmp_path / "rewards.csv").read_text() == ",".join(estimate_rewards.COLUMNS) + "\n"
