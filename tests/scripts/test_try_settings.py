"""A sweep from its trials to the training that uses the choice, on a tiny model, by the scripts."""

from pathlib import Path
from typing import Any

import pytest

from tests.random_adapters import HARDWARE, goal_problems
from tests.training import DPO, PPO, check_complete, digests, job, write_rows
from workflow.lib.errors import DataError, NumericalError
from workflow.lib.files import read_csv, read_json, write_json
from workflow.lib.parquet import rows_of, write_parquet
from workflow.lib.records import Pair, Problem, table
from workflow.scripts import choose_settings, collect_sweeps, score_trials, train_dpo
from workflow.scripts.try_settings import OUTCOME, main

ROOT = Path(__file__).parents[2]
TASK = ROOT / "workflow/tasks/piqa/piqa_goals.yaml"
POINTS = [{"learning_rate": 1.0e-3}, {"learning_rate": 1.0e-2}, {"learning_rate": 1.0e30}]
SEED = 1
GOALS = [(f"open jar {i}", f"turn the lid {i} times", "hit it" * (i % 7 + 1), i % 2) for i in range(30)]
SWEEP = {
    "seed": SEED,
    "task": "goals",
    "problems": 24,
    "rule": "best_accuracy",
    "intervals": {"resamples": 200, "confidence": 0.95, "seed": 3},
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # checkpoints go to work/


def try_point(snapshot: Path, folder: Path, rows: str, number: int) -> str:
    """Train the trial ``number`` of DPO; return its folder."""
    point = POINTS[number]
    trial = folder / f"trial-{number}/seed-{SEED}"
    given = job(trial, snapshot, "dpo", {**DPO, **point}, rows, seed=SEED)
    del given["outputs"]
    main(**given, trainer="dpo", trial=str(trial), number=number, point=point)
    return str(trial)


def score(folder: Path, snapshot: Path, trials: list[str], **changes: Any) -> str:
    """Score ``trials`` on dev; return the folder of the scores."""
    write_json(folder / "manifest.json", {"model": "tiny", "digest": "0" * 64})
    (folder / "cot.j2").write_text("{{ question }}")
    write_parquet(folder / "dev.parquet", table(goal_problems(GOALS), Problem))
    given: dict[str, Any] = {
        "problems": str(folder / "dev.parquet"),
        "definition": [str(TASK), *map(str, sorted(TASK.parent.glob("*.py")))],
        "prompt": str(folder / "cot.j2"),
        "trials": trials,
        "manifest": str(folder / "manifest.json"),
        "snapshot": str(snapshot),
        "scores": str(folder / "scores"),
        "settings": {"metric": "accuracy", "max_new_tokens": 0},
        "size": SWEEP["problems"],
        "seed": SEED,
        "evaluation_seed": 1234,
        "backend": {"kind": "transformers"},
        "hardware": HARDWARE,
        **{"dataset": "toy", "model": "tiny", "method": "dpo", "task": "goals", "code": "c0de"},
        "store": str(folder / "store"),
    }
    score_trials.main(**given | changes)
    return str(given["scores"])


def test_a_sweep_chooses_on_dev_and_the_training_uses_its_choice(tmp_path: Path, tiny_llama: Path) -> None:
    rows, folder = write_rows(tmp_path, Pair), tmp_path / "sweep"
    trials = [try_point(tiny_llama, folder, rows, number) for number in range(len(POINTS))]
    outcomes = [read_json(Path(trial) / OUTCOME) for trial in trials]
    assert [(o["trial"], o["settings"]) for o in outcomes] == list(enumerate(POINTS))
    # a learning rate of 1e30 throws the weights out of float32; that is what the third trial found out
    assert [o["failure"] is None for o in outcomes] == [True, True, False]
    assert "not finite" in outcomes[2]["failure"] or "nan" in outcomes[2]["failure"]
    assert {path.name for path in Path(trials[2]).iterdir()} == {OUTCOME}

    scores = score(folder, tiny_llama, trials)
    assert len(rows_of(Path(scores) / "problems.parquet")) == 24  # of 30
    names = {path.name for path in Path(scores).iterdir()}
    pairs = {f"trial-{n}.{kind}" for n in (0, 1) for kind in ("json", "parquet")}
    assert names == {"problems.parquet"} | pairs
    assert read_json(Path(scores) / "trial-1.json")["plumbline"]["method"] == "dpo"

    choice = str(folder / "choice.json")
    about = {"dataset": "toy", "model": "tiny", "method": "dpo"}
    choose_settings.main(trials=trials, scores=scores, choice=choice, sweep=SWEEP, **about)
    found = read_json(choice)
    assert (found["trials"], found["failed"]) == (3, 1)
    best = max(found["table"][:2], key=lambda row: row["accuracy"])
    mean = {n: [r["score"] for r in rows_of(Path(scores) / f"trial-{n}.parquet")] for n in (0, 1)}
    assert best["accuracy"] == max(sum(some) / 24 for some in mean.values())
    assert found["settings"] == POINTS[found["trial"]] and found["trial"] == best["trial"]

    given = job(tmp_path / "final", tiny_llama, "dpo", DPO, rows, seed=SEED, choice=[choice])
    train_dpo.main(**given)
    check_complete(given, steps=3, quantities={"loss"})
    run = read_json(given["outputs"]["run"])
    assert run["settings"] == {**DPO, **found["settings"]}
    assert run["sweep"] == {key: found[key] for key in ("task", "trial", "trials", "settings")}
    # the same settings and the same seed: the training is the chosen trial again, to the byte
    adapter, trial = "adapter_model.safetensors", Path(trials[found["trial"]])
    assert (tmp_path / "final" / adapter).read_bytes() == (trial / adapter).read_bytes()
    assert (tmp_path / "final" / adapter).read_bytes() != (
        Path(trials[1 - found["trial"]]) / adapter
    ).read_bytes()
    assert digests(trial)["curves.parquet"] == digests(tmp_path / "final")["curves.parquet"]
    assert "Settings that a sweep on dev chose" in Path(given["outputs"]["card"]).read_text()

    collect_sweeps.main(choices=[choice], trials=trials, sweeps=str(tmp_path / "sweeps.csv"))
    told = read_csv(tmp_path / "sweeps.csv")
    assert [float(row["seconds_total"] or 0) > 0 for row in told] == [True, True, False]


def test_other_errors_than_numerical_ones_end_the_job(tmp_path: Path, tiny_llama: Path) -> None:
    given = job(tmp_path / "a", tiny_llama, "dpo", {**DPO, "bet": 0.1}, "none.parquet")
    del given["outputs"]
    with pytest.raises(DataError, match="unknown keys"):
        main(**given, trainer="dpo", trial=str(tmp_path / "a"), number=0, point={"bet": 0.1})
    assert not (tmp_path / "a" / OUTCOME).exists()


def test_the_trainer_names_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def collapse(**given: Any) -> None:
        asked.update(given)
        raise NumericalError("the policy collapsed")

    monkeypatch.setattr("workflow.scripts.train_ppo.main", collapse)
    main(
        trainer="ppo",
        trial=str(tmp_path / "t"),
        number=4,
        point={"max_kl": 1.0},
        method="ppo-fast",
        settings=PPO,
    )
    outcome = {"trial": 4, "settings": {"max_kl": 1.0}, "failure": "the policy collapsed"}
    assert read_json(tmp_path / "t" / OUTCOME) == outcome
    assert asked["method"] == "ppo-fast" and asked["outputs"]["run"] == str(tmp_path / "t/run.json")
