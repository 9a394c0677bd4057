"""Score the base and every adapter and seed on one task of held-out problems, with the base loaded once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.evaluation import Job, Store, TaskSettings, policies_of, score_all, write_scored
from workflow.lib.indices import write_index
from workflow.lib.logs import capture

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

STORE = "work/evaluation"  # undeclared: results by content, so that a changed method alone is scored again


def main(
    *,
    problems: str,
    definition: Sequence[str],
    prompt: str,
    adapters: Sequence[str],
    manifest: str,
    snapshot: str,
    scores: Sequence[str],
    samples: Sequence[str],
    index: str,
    settings: Mapping[str, Any],
    seed: int,
    backend: Mapping[str, Any],
    hardware: Mapping[str, Any],
    policies: Sequence[str],
    seeds: Sequence[int],
    dataset: str,
    model: str,
    task: str,
    code: str,
    store: str = STORE,
) -> None:
    """Write the scores and the records of every policy, in the order method × seed."""
    job = Job(
        dataset=dataset,
        model=model,
        task=task,
        settings=TaskSettings(**settings),
        seed=seed,
        backend=backend,
        hardware=hardware,
        problems=Path(problems),
        definition=[Path(path) for path in definition],
        prompt=Path(prompt),
        manifest=Path(manifest),
        snapshot=Path(snapshot),
        code=code,
    )
    every = policies_of(policies, seeds, adapters)
    scored = score_all(job, every, Store(store))
    for policy, (about, found), json_path, rows_path in zip(every, scored, scores, samples, strict=True):
        write_scored(about, found, policy, scores=json_path, samples=rows_path)
    write_index(index, dataset=dataset, model=model, task=task, scores=scores, samples=samples)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        problems=snakemake.input.problems,
        definition=snakemake.input.definition,
        prompt=snakemake.input.prompt,
        adapters=snakemake.input.adapters,
        manifest=snakemake.input.manifest,
        snapshot=snakemake.input.snapshot,
        scores=snakemake.output.scores,
        samples=snakemake.output.samples,
        index=snakemake.output.index,
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        backend=snakemake.params.backend,
        hardware=snakemake.params.hardware,
        policies=snakemake.params.policies,
        seeds=snakemake.params.seeds,
        dataset=snakemake.wildcards.dataset,
        model=snakemake.wildcards.model,
        task=snakemake.wildcards.task,
        code=snakemake.params.code,
    )
