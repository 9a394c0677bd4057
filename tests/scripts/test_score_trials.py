"""Trials are scored in one process, on the same problems of dev, by the code that scores policies."""

from pathlib import Path
from typing import Any

import pytest

from tests.random_adapters import HARDWARE, goal_problems, write_adapter
from workflow.lib.errors import DataError
from workflow.lib.files import read_json, write_json
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, Sample, load, table
from workflow.scripts import evaluate
from workflow.scripts.score_trials import main

ROOT = Path(__file__).parents[2]
TASK = ROOT / "workflow/tasks/piqa/piqa_goals.yaml"
GOALS = goal_problems(
    [(f"open jar {i}", f"turn the lid {i} times", "hit it" * (i % 5 + 1), i % 2) for i in range(12)]
)
SIZE = 8


class Sweep:
    """A base, three trials of which the second failed, and a dev split on disk."""

    def __init__(self, root: Path, snapshot: Path) -> None:
        """Write everything but the base."""
        self.root, self.snapshot = root, snapshot
        self.trials = [root / f"trial-{number}/seed-2" for number in range(3)]
        for number, folder in enumerate(self.trials):
            write_json(
                folder / "trial.json", {"trial": number, "failure": "loss is nan" if number == 1 else None}
            )
        for number in (0, 2):
            write_adapter(snapshot, self.trials[number], number)
        write_json(root / "manifest.json", {"model": "tiny", "digest": "0" * 64})
        (root / "cot.j2").write_text("{{ question }}")
        write_parquet(root / "dev.parquet", table(GOALS[::-1], Problem))

    def shared(self) -> dict[str, Any]:
        """Return the arguments that scoring trials shares with evaluating policies."""
        return {
            "definition": [str(TASK), *map(str, sorted(TASK.parent.glob("*.py")))],
            "prompt": str(self.root / "cot.j2"),
            "manifest": str(self.root / "manifest.json"),
            "snapshot": str(self.snapshot),
            "settings": {"metric": "accuracy", "max_new_tokens": 0},
            "backend": {"kind": "transformers"},
            "hardware": HARDWARE,
            **{"dataset": "toy", "model": "tiny", "task": "goals", "code": "c0de"},
        }

    def score(self, *trials: int, out: str = "scores") -> Path:
        """Score some trials; return the folder."""
        main(
            problems=str(self.root / "dev.parquet"),
            trials=[str(self.trials[number]) for number in trials],
            scores=str(self.root / out),
            size=SIZE,
            seed=2,
            evaluation_seed=1234,
            method="dpo",
            store=str(self.root / "store"),
            **self.shared(),
        )
        return self.root / out


@pytest.fixture
def sweep(tmp_path: Path, tiny_llama: Path) -> Sweep:
    return Sweep(tmp_path, tiny_llama)


def test_trials_score_as_policies_do_on_the_first_problems_by_id(sweep: Sweep) -> None:
    scores = sweep.score(0, 1, 2)
    asked = load(scores / "problems.parquet", Problem)
    assert asked == sorted(GOALS, key=lambda goal: goal.problem_id)[:SIZE] != GOALS[::-1][:SIZE]
    assert sorted(path.name for path in scores.iterdir()) == [
        *("problems.parquet", "trial-0.json", "trial-0.parquet", "trial-2.json", "trial-2.parquet"),
    ]
    outputs = {
        kind: [str(sweep.root / f"policies/{n}.{kind}") for n in (0, 2)] for kind in ("json", "parquet")
    }
    evaluate.main(
        problems=str(scores / "problems.parquet"),
        adapters=[str(sweep.trials[n] / "adapter_model.safetensors") for n in (0, 2)],
        scores=outputs["json"],
        samples=outputs["parquet"],
        index=str(sweep.root / "policies/index.json"),
        seed=1234,
        policies=["zero", "two"],
        seeds=[2],
        store=str(sweep.root / "another"),
        **sweep.shared(),
    )
    texts = []
    for number, path in zip((0, 2), outputs["parquet"], strict=True):
        ours, theirs = load(scores / f"trial-{number}.parquet", Sample), load(path, Sample)
        assert {(s.method, s.seed, s.task, s.dataset) for s in ours} == {("dpo", 2, "goals", "toy")}
        assert [(s.problem_id, s.loglikelihoods, s.score) for s in ours] == [
            (s.problem_id, s.loglikelihoods, s.score) for s in theirs
        ]
        assert len(ours) == SIZE
        texts.append([s.loglikelihoods for s in ours])
    assert texts[0] != texts[1]  # each trial answered for itself
    told = read_json(scores / "trial-2.json")
    assert told["n-samples"]["piqa_goals"] == {"original": SIZE, "effective": SIZE}
    assert told["plumbline"]["policy_seed"] == 2


def test_a_new_trial_alone_is_scored(sweep: Sweep, capfd: pytest.CaptureFixture[str]) -> None:
    sweep.score(0, 1)
    assert "1 policies: 0 results kept, 1 to score" in capfd.readouterr().out
    sweep.score(0, 1, 2, out="again")
    told = capfd.readouterr().out
    assert "3 trials, 1 failed" in told
    assert "2 policies: 1 results kept, 1 to score" in told
    for kind in ("json", "parquet"):
        name = f"trial-0.{kind}"
        assert (sweep.root / "scores" / name).read_bytes() == (sweep.root / "again" / name).read_bytes()


def test_failed_trials_alone_leave_the_problems(sweep: Sweep) -> None:
    assert [path.name for path in sweep.score(1).iterdir()] == ["problems.parquet"]


def test_an_empty_dev_split_is_told(sweep: Sweep) -> None:
    write_parquet(sweep.root / "dev.parquet", table([], Problem))
    with pytest.raises(DataError, match=r"dev\.parquet: no problem to choose settings by"):
        sweep.score(0, 2)
