"""Score every trial of one sweep on the same problems of dev, with the base loaded once.

The task's own code asks and judges, as in ``evaluate``; only the problems are of another split.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.asking import slice_of
from workflow.lib.errors import DataError
from workflow.lib.evaluation import Job, Policy, Store, TaskSettings, score_all, write_scored
from workflow.lib.files import read_json
from workflow.lib.logs import capture
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Problem, load, table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

STORE = "work/sweeps"  # undeclared: results by content, so that a new trial alone is scored
PROBLEMS = "problems.parquet"


def ask(problems: str, size: int, path: Path) -> None:
    """Write the first ``size`` of the ``problems`` by id, which are those of every sweep, to ``path``."""
    asked = slice_of(load(problems, Problem), size)
    if not asked:
        raise DataError(f"{problems}: no problem to choose settings by. Fix: raise datasets.*.split.dev.")
    print(f"{len(asked)} problems of {problems}", flush=True)
    write_parquet(path, table(asked, Problem))


def main(
    *,
    problems: str,
    definition: Sequence[str],
    prompt: str,
    trials: Sequence[str],
    manifest: str,
    snapshot: str,
    scores: str,
    settings: Mapping[str, Any],
    size: int,
    seed: int,
    evaluation_seed: int,
    backend: Mapping[str, Any],
    hardware: Mapping[str, Any],
    dataset: str,
    model: str,
    method: str,
    task: str,
    code: str,
    store: str = STORE,
) -> None:
    """Write scores and records of every trial whose training did not fail into the folder ``scores``."""
    folder = Path(scores)
    ask(problems, size, folder / PROBLEMS)
    job = Job(
        dataset=dataset,
        model=model,
        task=task,
        settings=TaskSettings(**settings),
        seed=evaluation_seed,
        backend=backend,
        hardware=hardware,
        problems=folder / PROBLEMS,
        definition=[Path(path) for path in definition],
        prompt=Path(prompt),
        manifest=Path(manifest),
        snapshot=Path(snapshot),
        code=code,
    )
    outcomes = {trial: read_json(Path(trial) / "trial.json") for trial in trials}
    sound = [trial for trial, outcome in outcomes.items() if outcome["failure"] is None]
    policies = [Policy(method, seed, Path(trial)) for trial in sound]
    print(f"{len(trials)} trials, {len(trials) - len(sound)} failed", flush=True)
    scored = score_all(job, policies, Store(store))
    for trial, policy, (about, found) in zip(sound, policies, scored, strict=True):
        path = folder / f"trial-{outcomes[trial]['trial']}"
        write_scored(about, found, policy, scores=f"{path}.json", samples=f"{path}.parquet")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        problems=snakemake.input.problems,
        definition=snakemake.input.definition,
        prompt=snakemake.input.prompt,
        trials=snakemake.input.trials,
        manifest=snakemake.input.manifest,
        snapshot=snakemake.input.snapshot,
        scores=snakemake.output.scores,
        settings=snakemake.params.settings,
        size=snakemake.params.sweep["problems"],
        seed=snakemake.params.sweep["seed"],
        evaluation_seed=snakemake.params.seed,
        backend=snakemake.params.backend,
        hardware=snakemake.params.hardware,
        dataset=snakemake.wildcards.dataset,
        model=snakemake.wildcards.model,
        method=snakemake.wildcards.method,
        task=snakemake.wildcards.task,
        code=snakemake.params.code,
    )
