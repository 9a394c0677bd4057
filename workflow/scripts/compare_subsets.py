"""Estimate every policy on all problems of a task, on those that training has seen, and on the clean rest.

A gain that is only there on contaminated problems is memory and no reasoning. ``delta`` is the paired
difference to the base model on the same problems.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workflow.lib.files import write_csv
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.overlaps import Seen, check_seen, read_seen
from workflow.lib.records import Sample
from workflow.lib.samples import grouped, load_samples, paired
from workflow.lib.statistics import Estimate, Settings, difference, mean

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

SUBSETS = ("all", "clean", "contaminated")
COLUMNS = [
    *("dataset", "model", "task", "method", "subset", "n", "groups", "estimate", "low", "high", "interval"),
    *("delta", "delta_low", "delta_high"),
]
Row = dict[str, Any]


def in_subset(samples: Sequence[Sample], subset: str, seen: Seen) -> list[Sample]:
    """Return the samples whose problem is in a subset of ``SUBSETS``."""
    wanted = {"all": (False, True), "clean": (False,), "contaminated": (True,)}[subset]
    return [sample for sample in samples if seen[sample.dataset, sample.problem_id] in wanted]


def gain(ours: Sequence[Sample], base: Sequence[Sample], settings: Settings) -> Estimate | None:
    """Return the paired difference of a policy to the base; None where there is nothing to compare."""
    if not ours or ours[0].method == "base":
        return None
    pairs = paired(ours, base)
    left, right = (np.asarray([pair[side].score for pair in pairs]) for side in (0, 1))
    return difference(left, right, [p.group_id for p, _ in pairs], settings)


def rows(samples: Sequence[Sample], seen: Seen, settings: Settings) -> Iterator[Row]:
    """Yield one row for each policy, task and subset, base first."""
    for (dataset, model, task), answers in grouped(samples, "dataset", "model", "task").items():
        methods = {str(method): some for (method,), some in grouped(answers, "method").items()}
        for subset in SUBSETS:
            parts = {method: in_subset(some, subset, seen) for method, some in methods.items()}
            for method, some in parts.items():
                scores = np.asarray([sample.score for sample in some])
                found = mean(scores, [s.group_id for s in some], settings)
                delta = gain(some, parts["base"], settings)
                yield {
                    **{"dataset": dataset, "model": model, "task": task, "method": method, "subset": subset},
                    **found.cells("estimate"),
                    **(delta.rounded_columns("delta") if delta else {}),
                }


def main(
    *, samples: Sequence[str], contamination: Mapping[str, str], subsets: str, settings: dict[str, Any]
) -> None:
    """Write the table of estimates on all, clean and contaminated problems."""
    answers, seen = load_samples(samples), read_seen(contamination)
    check_seen(answers, seen)
    found = list(rows(answers, seen, Settings(**settings)))
    write_csv(subsets, found, COLUMNS)
    print(f"{len(found)} estimates of {len(samples)} files")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        contamination=dict(zip(snakemake.params.datasets, snakemake.input.contamination, strict=True)),
        subsets=snakemake.output.subsets,
        settings=snakemake.params.settings,
    )
