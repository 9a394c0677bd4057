"""Compare every trained policy with the base within each category of reasoning and each rule.

Holm's correction is over all methods and categories of a task, and apart from them over all methods and
rules: where so many are looked at, some differ by chance.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from workflow.lib.comparisons import NUMBERS, Row, compare, corrected
from workflow.lib.files import write_csv
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.records import Sample
from workflow.lib.samples import grouped, load_samples
from workflow.lib.statistics import Settings
from workflow.lib.verdicts import verdict

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

TASK = ["dataset", "model", "task"]
COLUMNS = [*TASK, "metric", "field", "category", "method", "against", *NUMBERS, "family", "finding"]
FIELDS = ("category", "rule")
BASE = "base"


def family(samples: Sequence[Sample], field: str, settings: Settings) -> list[Row]:
    """Return the rows of all methods and all values of ``field`` on one task, compared with the base."""
    found = []
    for (name,), some in sorted(grouped(samples, field).items()):
        methods = grouped(some, "method")
        rivals = [answers for (method,), answers in methods.items() if method != BASE]
        found += [{"category": name} | compare(ours, methods[BASE,], settings) for ours in rivals]
    return [row | {"family": len(found), "finding": verdict(row)} for row in corrected(found)]


def rows_of(samples: Sequence[Sample], settings: Settings) -> Iterator[Row]:
    """Yield the rows of every task, by category and by rule."""
    for names, answers in grouped(samples, *TASK).items():
        about = dict(zip(TASK, names, strict=True)) | {"metric": "accuracy"}
        for field in FIELDS:
            for row in family(answers, field, settings):
                yield about | {"field": field} | row


def main(*, samples: Sequence[str], deltas: str, settings: dict[str, Any]) -> None:
    """Write the table of differences within categories and rules of the samples in the files ``samples``."""
    rows = list(rows_of(load_samples(samples), Settings(**settings)))
    write_csv(deltas, rows, COLUMNS)
    print(f"{len(rows)} comparisons of {len(samples)} files")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        deltas=snakemake.output.deltas,
        settings=snakemake.params.settings,
    )
