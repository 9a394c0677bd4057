"""Estimate how often, and by how much, the reward model ranks a right answer above a wrong one."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workflow.lib.files import write_csv
from workflow.lib.logs import capture
from workflow.lib.parquet import rows_of
from workflow.lib.statistics import Settings, mean, rounded

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [
    *("dataset", "model", "method", "task", "seed", "n", "groups", "estimate", "low", "high", "interval"),
    "margin",
]
RUN = ("dataset", "model", "method", "task")

Row = dict[str, Any]


def estimate(pairs: Sequence[Row], seed: str, settings: Settings) -> Row:
    """Return the row for pairs of one reward model, or of one per seed, on one task."""
    right = np.asarray([pair["correct"] for pair in pairs], dtype=float)
    groups = [pair["group_id"] for pair in pairs]
    found = mean(right, groups, settings)
    margin = float(np.mean([pair["chosen_reward"] - pair["rejected_reward"] for pair in pairs]))
    return {field: pairs[0][field] for field in RUN} | {
        "seed": seed,
        **found.cells("estimate"),
        "margin": rounded(margin),
    }


def estimates(pairs: Sequence[Row], settings: Settings) -> Iterator[Row]:
    """Yield the row over all seeds, then of each seed, of every dataset, model, method and task."""
    for run in dict.fromkeys(tuple(pair[field] for field in RUN) for pair in pairs):
        ours = [pair for pair in pairs if tuple(pair[field] for field in RUN) == run]
        yield estimate(ours, "all", settings)
        for seed in sorted({pair["seed"] for pair in ours}):
            yield estimate([pair for pair in ours if pair["seed"] == seed], str(seed), settings)


def main(*, pairs: Sequence[str], rewards: str, settings: dict[str, Any]) -> None:
    """Write the table of how the reward models ranked the pairs in the files ``pairs``."""
    ranked = [row for path in pairs for row in rows_of(path)]
    write_csv(rewards, list(estimates(ranked, Settings(**settings))), COLUMNS)
    print(f"{len(ranked)} pairs of {len(pairs)} files estimated")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        pairs=snakemake.input.pairs,
        rewards=snakemake.output.rewards,
        settings=snakemake.params.settings,
    )
