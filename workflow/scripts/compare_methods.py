"""Compare every trained policy with the base and with SFT, by paired differences on the same problems.

Holm's correction is over the family of all methods compared with the same one on the same task. The study's
primary comparison was named in its config before the run; all others are exploratory. A task is ``trained``
when its dataset is the one that the policies learned from; on every other one a loss is what alignment
costs elsewhere (the alignment tax; Ouyang et al. 2022, arXiv 2203.02155, section 4.2).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workflow.lib.comparisons import NUMBERS, Row, compare, corrected
from workflow.lib.errors import DataError, problem
from workflow.lib.files import write_csv
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.records import Sample
from workflow.lib.samples import grouped, load_samples
from workflow.lib.statistics import Settings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

COLUMNS = ["dataset", "model", "task", "trained", "metric", "method", "against", *NUMBERS, "primary"]
BASELINES = ("base", "sft")


def families(samples: Sequence[Sample], settings: Settings) -> Iterator[tuple[Row, list[Row]]]:
    """Yield, for each task and baseline, its names and the rows of all trained methods compared with it."""
    for (dataset, model, task), answers in grouped(samples, "dataset", "model", "task").items():
        methods = {str(method): some for (method,), some in grouped(answers, "method").items()}
        for baseline in (name for name in BASELINES if name in methods):
            others = [some for name, some in methods.items() if name not in ("base", baseline)]
            family = corrected(compare(some, methods[baseline], settings) for some in others)
            yield {"dataset": dataset, "model": model, "task": task}, family


def rows_of(samples: Sequence[Sample], settings: Settings, asks: Mapping[str, str]) -> Iterator[Row]:
    """Yield the rows of all families; ``asks`` names the dataset of each task."""
    for about, family in families(samples, settings):
        trained = str(asks[about["task"]] == about["dataset"]).lower()
        for row in family:
            yield about | {"trained": trained, "metric": "accuracy"} | row


def marked(row: Row, primary: Mapping[str, str]) -> Row:
    """Return a row with the mark of the primary comparison."""
    return row | {"primary": str(all(row[field] == value for field, value in primary.items())).lower()}


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


def main(
    *,
    samples: Sequence[str],
    deltas: str,
    settings: dict[str, Any],
    primary: dict[str, str],
    tasks: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write the table of paired comparisons of the samples in the files ``samples``."""
    asks = {name: task["dataset"] for name, task in tasks.items()}
    found = rows_of(load_samples(samples), Settings(**settings), asks)
    rows = [marked(row, primary) for row in found]
    check_primary(rows, primary)
    write_csv(deltas, rows, COLUMNS)
    print(f"{len(rows)} comparisons of {len(samples)} files")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        deltas=snakemake.output.deltas,
        settings=snakemake.params.settings,
        primary=snakemake.params.primary,
        tasks=snakemake.params.tasks,
    )
