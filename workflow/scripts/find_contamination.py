"""Find held-out problems of the study's tasks that the training split of a dataset has, word for word.

Nothing is removed: the analysis shows every score on all problems and on those that are clean.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workflow.lib.contamination import Lookout
from workflow.lib.logs import capture
from workflow.lib.parquet import tables_of, write_parquet
from workflow.lib.records import Overlap, Problem, load, table, texts_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def texts_in(tables: Iterator[pa.Table], ids: list[str]) -> Iterator[list[str]]:
    """Yield the texts of each table, and note the ``problem_id`` of every row in ``ids``."""
    for rows in tables:
        ids += rows["problem_id"].to_pylist()
        yield texts_of(rows)


def overlaps(problems: Sequence[Problem], train: str, words: int, share: float) -> list[Overlap]:
    """Return the overlap of each problem with the rows in the file ``train``, by dataset and id.

    Args:
        problems: Held-out problems.
        train: Path of a training split.
        words: Words of an n-gram.
        share: Share of its n-grams from which on a problem is contaminated.
    """
    lookout, ids = Lookout([" ".join(problem.texts()) for problem in problems], words), list[str]()
    lookout.read(texts_in(tables_of(train), ids))
    found = zip(problems, *lookout.shares(), strict=True)
    rows = [
        Overlap(p.dataset, p.problem_id, round(float(s), 6), bool(s >= share), ids[row] if row >= 0 else "")
        for p, s, row in found
    ]
    return sorted(rows, key=lambda row: (row.dataset, row.problem_id))


def main(*, train: str, tests: Sequence[str], contamination: str, settings: dict[str, Any]) -> None:
    """Write how much of each problem in the files ``tests`` is in the training split ``train``."""
    problems = [problem for path in tests for problem in load(path, Problem)]
    rows = overlaps(problems, train, settings["words"], settings["share"])
    write_parquet(contamination, table(rows, Overlap), settings)
    print(f"{len(rows)} held-out problems, {sum(row.contaminated for row in rows)} contaminated")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        train=snakemake.input.train,
        tests=snakemake.input.tests,
        contamination=snakemake.output.contamination,
        settings=snakemake.params.settings,
    )
