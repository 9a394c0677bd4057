"""A sweep run by Snakemake on a tiny random model: its trials, its choice, and the training that uses it."""

import shutil
from pathlib import Path

import pytest

from tests.random_adapters import goal_problems
from tests.studies import Study, clone_with, demo_config, smaller
from tests.training import write_rows
from workflow.lib.files import read_csv, read_json, write_json
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Pair, Problem, table

FOLDER = "results/sweeps/logic/tiny/orpo"
TARGETS = ("results/adapters/logic/tiny/orpo/seed-1/run.json", "results/figures/sweeps.pdf")
# What stands upstream is written by hand, so that no teacher is asked.
RULES = ("try_settings", "score_trials", "choose_settings", "train", "collect_sweeps", "plot")
GOALS = [(f"open jar {i}", f"turn the lid {i} times", "hit it" * (i % 5 + 1), i % 2) for i in range(10)]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Study:
    """Return a study with everything that a sweep reads, once its targets are made."""
    settings = smaller(demo_config(), tiny_llama)
    task = {"definition": "piqa/piqa_goals", "dataset": "logic", "metric": "accuracy"}
    settings["evaluation"]["tasks"]["choices"] = task | {"rewards": False, "scorers": [], "max_new_tokens": 0}
    settings["sweeps"] = {
        "methods": {"orpo": {"learning_rate": [1.0e30, 1.0e-2, 1.0e-3]}},
        **{"seed": 1, "task": "choices", "problems": 8, "rule": "first_in_tie_group"},
        "intervals": {"resamples": 200, "confidence": 0.95, "seed": 3},
    }
    made = clone_with(tmp_path_factory.mktemp("sweep") / "clone", settings)
    results = made.root / "results"
    shutil.copytree(tiny_llama, results / "models/tiny/snapshot")
    about = {"kind": "local", "repo": None, "path": "tiny", "revision": None, "digest": "d" * 64}
    write_json(results / "models/tiny/manifest.json", about)
    (results / "preferences/logic").mkdir(parents=True)
    Path(write_rows(results / "preferences", Pair)).rename(results / "preferences/logic/pairs.parquet")
    write_parquet(results / "data/logic/dev.parquet", table(goal_problems(GOALS), Problem))
    made.run("--allowed-rules", *RULES, "--", *TARGETS)
    return made


def test_a_failed_trial_is_told_and_the_training_uses_the_choice(study: Study) -> None:
    choice = read_json(study.root / FOLDER / "choice.json")
    assert (choice["trials"], choice["failed"]) == (3, 1)
    assert "finite" in choice["table"][0]["failure"] or "nan" in choice["table"][0]["failure"]
    assert choice["trial"] in (1, 2) and choice["settings"] == choice["table"][choice["trial"]]["settings"]
    assert {entry["n"] for entry in choice["table"]} == {0, 8}
    run = read_json(study.root / TARGETS[0])
    assert run["settings"]["learning_rate"] == choice["settings"]["learning_rate"]
    assert run["settings"]["lambda"] == 0.1  # as in the config
    assert run["sweep"]["settings"] == choice["settings"]
    trial = study.root / FOLDER / f"trial-{choice['trial']}/seed-1/adapter_model.safetensors"
    assert trial.read_bytes() == (study.root / TARGETS[0]).with_name(trial.name).read_bytes()


def test_all_trials_are_published(study: Study) -> None:
    rows = read_csv(study.root / "results/analysis/sweeps.csv")
    assert [row["settings"] for row in rows] == [
        *("learning_rate 1e+30", "learning_rate 0.01", "learning_rate 0.001"),
    ]
    assert [row["failure"] == "" for row in rows] == [False, True, True]
    caption = read_json(study.root / "results/figures/sweeps.json")["caption"]
    assert "ORPO: 3 trials with seed 1, 1 failed, n = 8 answers in 8 groups" in caption


def test_a_second_run_has_nothing_to_do(study: Study) -> None:
    assert "Nothing to be done" in study.run("--dry-run", "--allowed-rules", *RULES, "--", *TARGETS)
