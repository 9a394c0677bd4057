"""Estimate every policy's score on every task, over all seeds, per seed, per category and per rule.

Yes/no tasks are also scored on the problems whose answer is yes, on those whose answer is no, and by
the mean of the two, which no constant answer can raise above one half; ``unparsed`` is the share of
answers from which no verdict could be read. Means over all seeds also tell how far the seeds differ, with an
interval for other problems and other trainings (``workflow.lib.spreads``).
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workflow.lib.files import write_csv
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.records import Sample
from workflow.lib.samples import grouped, load_samples
from workflow.lib.spreads import COLUMNS as SPREAD
from workflow.lib.spreads import spread
from workflow.lib.statistics import Settings, balanced, mean

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

RUN = ("dataset", "model", "task", "method")
NUMBERS = ["n", "groups", "estimate", "low", "high", "interval"]
ACCURACY = ["dataset", "model", "task", "metric", "method", "seed", *NUMBERS, *SPREAD]
CATEGORIES = ["dataset", "model", "task", "metric", "method", "category", *NUMBERS]
YES_NO = {"yes", "no"}

Row = dict[str, Any]


def is_yes_no(samples: Sequence[Sample]) -> bool:
    """Return whether the gold answers are yes and no and nothing else."""
    return {sample.answer for sample in samples} == YES_NO


def metrics(samples: Sequence[Sample], yes_no: bool, settings: Settings) -> Iterator[tuple[str, Row]]:
    """Yield the name and the cells of every metric of these samples."""

    def of(some: Sequence[Sample], values: Sequence[float]) -> Row:
        array = np.asarray(values, dtype=float)
        found = mean(array, [sample.group_id for sample in some], settings)
        seeds = spread(array, [sample.seed for sample in some], found, settings.confidence)
        return found.cells("estimate") | seeds.columns()

    yield "accuracy", of(samples, [sample.score for sample in samples])
    if not yes_no:
        return
    for answer in ("yes", "no"):
        some = [sample for sample in samples if sample.answer == answer]
        yield f"accuracy_{answer}", of(some, [sample.score for sample in some])
    scores = np.asarray([sample.score for sample in samples])
    labels = [str(sample.answer) for sample in samples]
    groups = [sample.group_id for sample in samples]
    both = balanced(scores, labels, groups, settings)
    yield "balanced", both.cells("estimate") | dict.fromkeys(SPREAD, "")
    yield "unparsed", of(samples, [float(sample.parsed is None) for sample in samples])


def rows(samples: Sequence[Sample], yes_no: bool, label: Row, settings: Settings) -> Iterator[Row]:
    """Yield one row of the table for every metric of samples of one policy on one task."""
    names = {field: getattr(samples[0], field) for field in RUN}
    for metric, found in metrics(samples, yes_no, settings):
        yield names | label | {"metric": metric} | found


def by_seed(samples: Sequence[Sample], settings: Settings) -> Iterator[Row]:
    """Yield the rows over all seeds and of each seed, which has no spread of its own."""
    for run in grouped(samples, *RUN).values():
        yes_no = is_yes_no(run)
        yield from rows(run, yes_no, {"seed": "all"}, settings)
        for (seed,), some in sorted(grouped(run, "seed").items()):
            for row in rows(some, yes_no, {"seed": seed}, settings):
                yield row | dict.fromkeys(SPREAD, "")


def by_category(samples: Sequence[Sample], settings: Settings) -> Iterator[Row]:
    """Yield the rows of each category, and of each rule as the category ``rule:…``."""
    for run in grouped(samples, *RUN).values():
        yes_no = is_yes_no(run)
        for field, mark in (("category", ""), ("rule", "rule:")):
            for (name,), some in sorted(grouped(run, field).items()):
                for row in rows(some, yes_no, {"category": f"{mark}{name}"}, settings):
                    yield {column: row[column] for column in CATEGORIES}


def main(*, samples: Sequence[str], accuracy: str, categories: str, settings: dict[str, Any]) -> None:
    """Write the tables of estimates of the samples in the files ``samples``."""
    chosen = Settings(**settings)
    answers = load_samples(samples)
    write_csv(accuracy, list(by_seed(answers, chosen)), ACCURACY)
    write_csv(categories, list(by_category(answers, chosen)), CATEGORIES)
    print(f"{len(answers)} answers of {len(samples)} files estimated")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        accuracy=snakemake.output.accuracy,
        categories=snakemake.output.categories,
        settings=snakemake.params.settings,
    )
