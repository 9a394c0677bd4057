"""Compare every two policies on every task, and give each a range of places instead of a rank.

Holm's correction is over all pairs of a task. All of it is exploratory: the one comparison that the study was
made for is in deltas.csv.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from workflow.lib.comparisons import NUMBERS, Row, compare, corrected
from workflow.lib.files import write_csv
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.records import Sample
from workflow.lib.samples import grouped, load_samples, mean_score
from workflow.lib.statistics import Settings, rounded
from workflow.lib.ties import letters, places
from workflow.lib.verdicts import verdict

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

TASK = ["dataset", "model", "task", "metric"]
PAIRS = [*TASK, "method", "against", *NUMBERS, "finding"]
RANKS = [*TASK, "method", "estimate", "place_best", "place_worst", "ties"]


def pairs_of(methods: dict[str, list[Sample]], settings: Settings) -> list[Row]:
    """Return the comparison of every two methods with what it finds."""
    family = corrected(compare(methods[a], methods[b], settings) for a, b in combinations(methods, 2))
    return [row | {"finding": verdict(row)} for row in family]


def ranks_of(methods: dict[str, list[Sample]], pairs: Sequence[Row]) -> Iterator[Row]:
    """Yield one row per method, the highest estimate first."""
    scores = {method: mean_score(some) for method, some in methods.items()}
    order = sorted(methods, key=lambda method: (-scores[method], method))
    apart = [
        (row["method"], row["against"]) if row["finding"] == "better" else (row["against"], row["method"])
        for row in pairs
        if row["finding"] != "unclear"
    ]
    ties, ranges = letters(order, apart), places(order, apart)
    for method in order:
        best, worst = ranges[method]
        cells = {"place_best": best, "place_worst": worst, "ties": ties[method]}
        yield {"method": method, "estimate": rounded(scores[method]), **cells}


def main(*, samples: Sequence[str], pairs: str, ranks: str, settings: dict[str, Any]) -> None:
    """Write the tables of all pairs and of the places of the samples in the files ``samples``."""
    chosen = Settings(**settings)
    compared: list[Row] = []
    ranked: list[Row] = []
    for names, answers in grouped(load_samples(samples), *TASK[:-1]).items():
        about = dict(zip(TASK, (*names, "accuracy"), strict=True))
        methods = {str(method): some for (method,), some in grouped(answers, "method").items()}
        found = pairs_of(methods, chosen)
        compared += [about | row for row in found]
        ranked += [about | row for row in ranks_of(methods, found)]
    write_csv(pairs, compared, PAIRS)
    write_csv(ranks, ranked, RANKS)
    print(f"{len(compared)} pairs of {len(ranked)} policies on their tasks")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        pairs=snakemake.output.pairs,
        ranks=snakemake.output.ranks,
        settings=snakemake.params.settings,
    )
