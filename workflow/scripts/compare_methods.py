"""Compare every trained policy with the base and with SFT, by paired differences on the same problems.

Two answers are a pair when problem, repeat and seed are the same; a group of problems gives one vote
in McNemar's test (see ``workflow.lib.statistics.mcnemar``). Holm's correction is over the family of
all methods compared with the same one on the same task. ``detectable`` is the least true difference
that one comparison alone would find with a power of 80 %. The study's primary comparison was named in
its config before the run; all others are exploratory.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workflow.lib.errors import DataError, problem
from workflow.lib.files import write_csv
from workflow.lib.logs import capture
from workflow.lib.records import Sample
from workflow.lib.samples import grouped, load_samples, paired
from workflow.lib.statistics import Settings, detectable, difference, holm, mcnemar, rounded

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = [
    *("dataset", "model", "task", "metric", "method", "against", "n", "groups", "delta", "low", "high"),
    *("interval", "better", "worse", "p_mcnemar", "p_holm", "primary", "detectable"),
]
BASELINES = ("base", "sft")
POWER = 0.8  # of the detectable difference
P_DIGITS = 6  # significant digits of a p-value in the table

Row = dict[str, Any]


def compare(left: Sequence[Sample], right: Sequence[Sample], settings: Settings) -> Row:
    """Return the row that compares the answers ``left`` of one method with ``right`` of another."""
    pairs = paired(left, right)
    ours, theirs = (np.asarray([pair[side].score for pair in pairs]) for side in (0, 1))
    groups = [sample.group_id for sample, _ in pairs]
    found = difference(ours, theirs, groups, settings)
    signs = mcnemar(ours, theirs, groups)
    return {
        "metric": "accuracy",
        "method": left[0].method,
        "against": right[0].method,
        "n": found.n,
        "groups": found.groups,
        "delta": rounded(found.value),
        "low": rounded(found.low),
        "high": rounded(found.high),
        "interval": found.interval,
        "better": signs.better,
        "worse": signs.worse,
        "p_mcnemar": signs.p,
        "detectable": rounded(detectable(found.error, confidence=settings.confidence, power=POWER)),
    }


def families(samples: Sequence[Sample], settings: Settings) -> Iterator[list[Row]]:
    """Yield, for each task and baseline, the rows of all trained methods compared with the baseline."""
    for (dataset, model, task), answers in grouped(samples, "dataset", "model", "task").items():
        methods = {str(method): some for (method,), some in grouped(answers, "method").items()}
        for baseline in (name for name in BASELINES if name in methods):
            others = [some for name, some in methods.items() if name not in ("base", baseline)]
            family = [compare(some, methods[baseline], settings) for some in others]
            yield [{"dataset": dataset, "model": model, "task": task} | row for row in family]


def finished(family: Sequence[Row], primary: dict[str, str]) -> Iterator[Row]:
    """Yield the rows of a family with Holm's correction and the mark of the primary comparison."""
    for row, adjusted in zip(family, holm([row["p_mcnemar"] for row in family]), strict=True):
        p_values = {"p_mcnemar": row["p_mcnemar"], "p_holm": adjusted}
        shown = {name: float(f"{p:.{P_DIGITS}g}") for name, p in p_values.items()}
        is_primary = all(row[field] == value for field, value in primary.items())
        yield row | shown | {"primary": str(is_primary).lower()}


def check_primary(rows: Sequence[Row], primary: dict[str, str]) -> None:
    """Raise an error when the primary comparison of the study is not among the rows."""
    if not any(row["primary"] == "true" for row in rows):
        made = sorted({(row["task"], row["method"], row["against"]) for row in rows})
        raise DataError(
            problem(
                "config",
                "study.primary",
                expected=f"one of the comparisons made, as (task, method, against): {made}",
                found=primary,
                fix="name a task and methods of this study",
            )
        )


def main(*, samples: Sequence[str], deltas: str, settings: dict[str, Any], primary: dict[str, str]) -> None:
    """Write the table of paired comparisons of the samples in the files ``samples``."""
    chosen = Settings(**settings)
    rows = [row for family in families(load_samples(samples), chosen) for row in finished(family, primary)]
    check_primary(rows, primary)
    write_csv(deltas, rows, COLUMNS)
    print(f"{len(rows)} comparisons of {len(samples)} files")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=snakemake.input.samples,
        deltas=snakemake.output.deltas,
        settings=snakemake.params.settings,
        primary=snakemake.params.primary,
    )
