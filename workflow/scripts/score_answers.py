"""Let every scorer of a task score the answers of every policy, and measure how far each policy has moved."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.answer_scores import SCORERS, Means, Turn, answer_logps
from workflow.lib.errors import DataError
from workflow.lib.evaluation import BASE, policies_of
from workflow.lib.families import classifiers_of, scorers_of
from workflow.lib.harness import read_task
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.models import load_base, load_tokenizer
from workflow.lib.parquet import write_parquet
from workflow.lib.policies import active, load_policies
from workflow.lib.records import AnswerScore, Sample, table
from workflow.lib.samples import load_samples

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

NAMES = ("dataset", "model", "method", "seed", "task", "problem_id", "group_id", "category", "repeat")

Answers = dict[tuple[str, int], list[Sample]]
Ratios = Mapping[tuple[str, int], Sequence[float | None]]


def answers_of(paths: Sequence[str]) -> Answers:
    """Return the answers in each file under their method and seed."""
    found: Answers = {}
    for path in paths:
        some = load_samples([path])
        if any(sample.loglikelihoods for sample in some):
            raise DataError(f"{path}: options were scored, and nothing was said. Fix: scorers: [].")
        found[some[0].method, some[0].seed] = some
    return found


def ratios_of(
    answers: Answers,
    adapters: Mapping[tuple[str, int], Path],
    means: Means,
    temperature: float,
    longest: int,
) -> Ratios:
    """Return the log-ratios of the answers of every policy; the base's own are 0.

    An answer of ``longest`` tokens was cut before its end.
    """
    names = {key: f"p{number}" for number, key in enumerate(adapters)}
    base = load_base(means.snapshot, means.hardware)
    model = load_policies(base, {names[key]: adapters[key] for key in adapters}, model=means.model)
    turns = {
        key: [Turn(sample.prompt, sample.text, sample.tokens >= longest) for sample in some]
        for key, some in answers.items()
    }

    def logps(name: str | None, asked: Iterable[Turn]) -> dict[Turn, float]:
        with active(model, name):
            known = dict.fromkeys(asked)
            return answer_logps(base, means.tokenizer, known, temperature=temperature, batch=means.batch)

    before = logps(None, (turn for key in adapters for turn in turns[key]))
    found: dict[tuple[str, int], list[float]] = {key: [0.0] * len(some) for key, some in answers.items()}
    for key in adapters:
        after = logps(names[key], turns[key])
        found[key] = [after[turn] - before[turn] for turn in turns[key]]
    return found


def rows_of(
    answers: Answers, scorers: Mapping[str, Any], means: Means, ratios: Ratios
) -> Iterator[AnswerScore]:
    """Yield one record for each scorer and answer."""
    every = [sample for some in answers.values() for sample in some]
    moved = [ratio for key in answers for ratio in ratios[key]]
    for name, about in scorers.items():
        rewards = SCORERS[about["kind"]](about, means, every)
        for sample, reward, ratio in zip(every, rewards, moved, strict=True):
            about_sample = {field: getattr(sample, field) for field in NAMES}
            yield AnswerScore(
                **about_sample, scorer=name, reward=reward, log_ratio=ratio, tokens=sample.tokens
            )


def main(
    *,
    samples: Sequence[str],
    adapters: Sequence[str],
    rewards: Sequence[str],
    classifiers: Sequence[str],
    snapshot: str,
    definition: Sequence[str],
    scores: str,
    model: str,
    policies: Sequence[str],
    seeds: Sequence[int],
    scorers: Mapping[str, Any],
    longest: int,
    hardware: Mapping[str, Any],
) -> None:
    """Write the score of every answer by every scorer."""
    trained = {(p.method, p.seed): p.adapter for p in policies_of(policies, seeds, adapters) if p.adapter}
    named = {"rewards": list(scorers.values())}
    judges = policies_of([BASE, *scorers_of(named)], seeds, rewards)
    means = Means(
        snapshot=Path(snapshot),
        model=model,
        tokenizer=load_tokenizer(snapshot),
        adapters={(judge.method, judge.seed): judge.adapter for judge in judges if judge.adapter},
        classifiers=dict(zip(classifiers_of(named), map(Path, classifiers), strict=True)),
        hardware=hardware,
    )
    answers = answers_of(samples)
    task = read_task(definition[0], 0)
    ratios: Ratios = {key: [None] * len(some) for key, some in answers.items()}
    if task.sampled:
        ratios = ratios_of(answers, trained, means, task.config["generation_kwargs"]["temperature"], longest)
    records = list(rows_of(answers, scorers, means, ratios))
    write_parquet(scores, table(records, AnswerScore), note={"scorers": dict(scorers)})
    print(f"{len(records)} scores of {sum(map(len, answers.values()))} answers by {len(scorers)} scorers")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        adapters=snakemake.input.adapters,
        rewards=snakemake.input.rewards,
        classifiers=snakemake.input.classifiers,
        snapshot=snakemake.input.snapshot,
        definition=snakemake.input.definition,
        scores=snakemake.output.scores,
        model=snakemake.wildcards.model,
        policies=snakemake.params.policies,
        seeds=snakemake.params.seeds,
        scorers=snakemake.params.scorers,
        longest=snakemake.params.longest,
        hardware=snakemake.params.hardware,
    )
