"""Estimate how long each policy's answers are, and what length has to do with being right.

Longer answers can score higher for their length alone, so the lengths of right and of wrong answers stand
apart, beside the paired difference to the base and Spearman's correlation, over pairs of answers, of the gain
in length with the gain in score.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from workflow.lib.files import write_csv
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.records import Sample
from workflow.lib.samples import grouped, load_samples, paired
from workflow.lib.statistics import Estimate, Floats, Settings, average, rounded

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

RUN = ["dataset", "model", "task", "method"]
COLUMNS = [
    *(*RUN, "answers", "n", "groups", "tokens", "low", "high", "interval", "median", "p95"),
    *("delta", "delta_low", "delta_high", "correlation"),
]
BASE = "base"
ANSWERS = {"all": (0.0, 1.0), "right": (1.0,), "wrong": (0.0,)}

Row = dict[str, Any]


def lengths_of(samples: Sequence[Sample]) -> Floats:
    """Return the tokens of each answer, (N,)."""
    return np.asarray([sample.tokens for sample in samples], dtype=float)


def against(ours: Sequence[Sample], base: Sequence[Sample], settings: Settings) -> Row:
    """Return the paired difference in length to the base, and how it goes with the difference in score."""
    pairs = paired(ours, base)
    longer = lengths_of([left for left, _ in pairs]) - lengths_of([right for _, right in pairs])
    gained = np.asarray([left.score - right.score for left, right in pairs])
    found = average(longer, [left.group_id for left, _ in pairs], settings)
    vary = np.ptp(longer) > 0 and np.ptp(gained) > 0
    correlation = float(spearmanr(longer, gained).statistic) if vary else None
    return found.rounded_columns("delta") | {"correlation": rounded(correlation)}


def row_of(samples: Sequence[Sample], settings: Settings) -> Row:
    """Return how long some answers are."""
    tokens = lengths_of(samples)
    found: Estimate = average(tokens, [sample.group_id for sample in samples], settings)
    middle, most = np.quantile(tokens, [0.5, 0.95]) if len(tokens) else (None, None)
    return found.cells("tokens") | {"median": rounded(middle), "p95": rounded(most)}


def rows_of(samples: Sequence[Sample], settings: Settings) -> Iterator[Row]:
    """Yield the rows of all, right and wrong answers of every policy to tasks answered in words."""
    said = [sample for sample in samples if not sample.loglikelihoods]
    runs = grouped(said, *RUN)
    for names, answers in runs.items():
        rival = against(answers, runs[*names[:-1], BASE], settings) if names[-1] != BASE else {}
        for kind, scores in ANSWERS.items():
            some = [sample for sample in answers if sample.score in scores]
            about = dict(zip(RUN, names, strict=True)) | {"answers": kind}
            yield about | row_of(some, settings) | (rival if kind == "all" else {})


def main(*, samples: Sequence[str], lengths: str, settings: dict[str, Any]) -> None:
    """Write the table of lengths of the samples in the files ``samples``."""
    rows = list(rows_of(load_samples(samples), Settings(**settings)))
    write_csv(lengths, rows, COLUMNS)
    print(f"{len(rows)} rows of {len(samples)} files")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        lengths=snakemake.output.lengths,
        settings=snakemake.params.settings,
    )
