"""Records on their way from raw rows to splits: read, checked, and kept on disk until their split is known.

A million rows do not fit into memory as objects. They wait in sixteen files, one per first digit of
``problem_id``, so that a part at a time can be read, sorted and written.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from workflow.lib.answers import judge
from workflow.lib.datasets.raw import Skipped, Source
from workflow.lib.datasets.registry import Adapter
from workflow.lib.errors import DataError, raise_all
from workflow.lib.files import read_jsonl
from workflow.lib.records import Problem, Record, schema_of

DIGITS = "0123456789abcdef"
MOST_PROBLEMS = 20  # told at a time


def read_records(adapter: Adapter, source: Source) -> Iterator[Record | Skipped]:
    """Yield what ``adapter`` makes of every raw row of ``source``.

    Raises:
        DataError: A file cannot be read, or rows are wrong: up to 20 of them, a line each.
    """
    problems: list[str] = []
    for row in adapter.rows(source):
        try:
            yield from adapter.records(row, source)
        except DataError as error:
            problems.append(str(error))
            if len(problems) == MOST_PROBLEMS:
                problems.append("Rows after these were not looked at.")
                break
    raise_all(problems, MOST_PROBLEMS + 1)


def planted_in(folder: Path) -> dict[tuple[str, str], str]:
    """Return the defects that a generator planted or that people found, by context and question."""
    rows = (row for path in folder.rglob("planted.jsonl") for row in read_jsonl(path))
    return {(row["context"], row["question"]): row["planted"] for row in rows}


def kept_records(source: Source, adapter: Adapter, skipped: Counter[str]) -> Iterator[Record]:
    """Yield the records of a source with their planted defects, and count what the adapter left out."""
    planted = planted_in(source.folder)
    for record in read_records(adapter, source):
        if isinstance(record, Skipped):
            skipped[record.reason] += 1
            continue
        about: dict[str, Any] = {"source": f"{source.name}/{record.source}"}
        if isinstance(record, Problem) and (record.context, record.question) in planted:
            about["planted"] = planted[record.context, record.question]
        yield replace(record, **about)


def gold_problem(problem: Problem) -> str | None:
    """Return one line when our own scorer does not accept the gold answer of ``problem``."""
    if problem.answer is None:
        return None
    verdict = judge(
        f"The answer is {problem.answer}",
        choices=problem.choices,
        answer=problem.answer,
        verifier=problem.verifier,
        instance=problem.instance,
    )
    if verdict.right:
        return None
    expected = f"expected an answer that '{problem.verifier}' accepts"
    return (
        f"{problem.source} field 'answer': {expected}, found '{problem.answer}'. Fix: mend or drop the row."
    )


class Spill:
    """Rows on disk in sixteen parts, each of which fits into memory."""

    def __init__(self, folder: Path, kind: type[Record]) -> None:
        """Open the parts in ``folder`` for records of class ``kind``."""
        self.schema = schema_of(kind)
        self._numbered = self.schema.append(pa.field("row", pa.int64()))
        self._paths = {digit: folder / f"{digit}.parquet" for digit in DIGITS}
        self._writers = {d: pq.ParquetWriter(path, self._numbered) for d, path in self._paths.items()}
        self.rows = 0

    def add(self, records: Sequence[Record]) -> None:
        """Append ``records``; the first that was ever added has row number 0."""
        columns: dict[str, Any] = {name: [getattr(r, name) for r in records] for name in self.schema.names}
        columns["row"] = range(self.rows, self.rows + len(records))
        table = pa.table({n: pa.array(v, self._numbered.field(n).type) for n, v in columns.items()})
        self.rows += len(records)
        digits = pc.utf8_slice_codeunits(table["problem_id"], 1, 2)
        for digit, writer in self._writers.items():
            writer.write_table(table.filter(pc.equal(digits, digit)))

    def close(self) -> None:
        """Finish the files, after which they can be read."""
        for writer in self._writers.values():
            writer.close()

    def sorted(self, wanted: NDArray[np.bool_]) -> Iterator[pa.Table]:
        """Yield the rows whose number is ``wanted``, (N,), in order of ``problem_id``."""
        for path in self._paths.values():
            table = pq.read_table(path)
            table = table.filter(pa.array(wanted[np.asarray(table["row"])]))
            yield table.sort_by("problem_id").drop_columns("row").cast(self.schema)


def batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    """Yield ``records`` in lists of ``size``."""
    batch: list[Record] = []
    for record in records:
        batch.append(record)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
