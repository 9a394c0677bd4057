"""Estimate the floor of the noise: what differs between two scorings that should not differ.

Two trainings of one recipe with other seeds, and one adapter asked again, in other batches or by another
backend. A difference between methods that is no larger than these is no finding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from workflow.lib.files import write_csv
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.records import Sample
from workflow.lib.samples import grouped, load_samples, paired
from workflow.lib.statistics import NOISE, Settings, difference, rounded

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

RUN = ["dataset", "model", "task", "method"]
COLUMNS = [*RUN, "kind", "seeds", "n", "groups", "delta", "low", "high", "interval", "changed", "reworded"]
SEED = "another seed"
AGAIN = {"transformers": "asked again", "vllm": "asked again by vLLM"}  # by kind of the backend

Row = dict[str, Any]


def row_of(left: Sequence[Sample], right: Sequence[Sample], settings: Settings) -> Row:
    """Return how far two scorings of the same problems lie apart.

    ``changed`` is the share of the answers that score otherwise, ``reworded`` of those with another text.
    """
    pairs = paired(left, [replace(sample, seed=left[0].seed) for sample in right])
    ours, others = (np.asarray([pair[side].score for pair in pairs]) for side in (0, 1))
    found = difference(ours, others, [sample.group_id for sample, _ in pairs], settings)
    return {
        **{field: getattr(left[0], field) for field in RUN},
        **found.cells("delta"),
        "changed": rounded(float(np.mean(np.abs(ours - others) > NOISE))),
        "reworded": rounded(float(np.mean([a.text != b.text for a, b in pairs]))),
    }


def between_seeds(samples: Sequence[Sample], settings: Settings) -> Iterator[Row]:
    """Yield the row of every two seeds of each method; the base is one model, whatever the seed."""
    for names, run in grouped(samples, *RUN).items():
        seeds = {seed: some for (seed,), some in sorted(grouped(run, "seed").items())}
        for one, other in combinations(seeds, 2) if names[-1] != "base" else ():
            yield row_of(seeds[one], seeds[other], settings) | {"kind": SEED, "seeds": f"{one} {other}"}


def between_askings(
    samples: Sequence[Sample], again: Sequence[Sample], kind: str, settings: Settings
) -> Iterator[Row]:
    """Yield the row of each policy that was asked again."""
    first = grouped(samples, *RUN, "seed")
    for names, some in grouped(again, *RUN, "seed").items():
        yield row_of(first[names], some, settings) | {"kind": kind, "seeds": names[-1]}


def main(
    *, samples: Sequence[str], again: Sequence[str], noise: str, by: str, settings: dict[str, Any]
) -> None:
    """Write the table of differences that are noise."""
    chosen, answers = Settings(**settings), load_samples(samples)
    rows = [
        *between_seeds(answers, chosen),
        *between_askings(answers, load_samples(again), AGAIN[by], chosen),
    ]
    write_csv(noise, rows, COLUMNS)
    print(f"{len(rows)} pairs of scorings that should not differ")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        again=files_of(snakemake.input.again, "samples"),
        noise=snakemake.output.noise,
        by=snakemake.params.by,
        settings=snakemake.params.settings,
    )
