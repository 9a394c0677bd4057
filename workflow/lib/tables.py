"""The tables that the report shows, each made of the rows of one CSV file or card.

Nothing is computed: a cell here is a cell there, rounded. What a study has not run is an empty list,
which the page shows as "not run".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from workflow.lib.figures import Row
from workflow.lib.findings import of_place, places
from workflow.lib.wording import significant

MOST_ROWS = 400  # of one table; the CSV has them all


@dataclass(frozen=True)
class Cell:
    """One cell: its main text, a smaller second line, a word that marks it, and a choice of samples."""

    text: str
    detail: str = ""
    mark: str = ""
    samples: str = ""  # what the sample browser shows when the cell is followed, as ``task=quiz&method=dpo``


@dataclass(frozen=True)
class Table:
    """One table; the first column names the rows. Columns whose name is in ``words`` hold no numbers."""

    caption: str
    columns: list[str]
    rows: list[list[Cell]]
    words: frozenset[str] = frozenset()
    source: str = ""  # CSV file, beside the report
    note: str = ""
    left_out: int = 0


Build = Callable[[Sequence[Row], str, str], Table]


def table_of(
    caption: str,
    columns: dict[str, list[str]],
    *,
    words: Iterable[str] = (),
    source: str = "",
    note: str = "",
    samples: Mapping[str, Sequence[str]] | None = None,
) -> Table:
    """Return a table from its columns; all but the first ``MOST_ROWS`` rows are left out and counted.

    The cells of a column that ``samples`` names lead to these samples.
    """
    leads = {name: [""] * len(texts) for name, texts in columns.items()} | dict(samples or {})
    cells = [
        [Cell(text, samples=lead) for text, lead in zip(texts, leads[name], strict=True)]
        for name, texts in columns.items()
    ]
    lines = [list(line) for line in zip(*cells, strict=True)]
    left_out = max(0, len(lines) - MOST_ROWS)
    return Table(caption, list(columns), lines[:MOST_ROWS], frozenset(words), source, note, left_out)


def samples_of(row: Row, **more: str) -> str:
    """Return the choice of the samples that a row speaks of, as the page's address states it."""
    return urlencode({name: row[name] for name in ("dataset", "model", "task")} | more)


def by_place(rows: Sequence[Row], build: Build, caption: str, source: str) -> list[Table]:
    """Return one table for each dataset and model, named in the caption where there are several."""
    several = len(places(rows)) > 1
    return [
        build(of_place(rows, place), caption + (f": {' · '.join(place)}" if several else ""), source)
        for place in places(rows)
    ]


def within(low: str, high: str) -> str:
    """Return the interval of a number that is no share."""
    return f"[{significant(low)}, {significant(high)}]" if low and high else "[no interval]"


def cell_of(value: Any) -> str:
    """Return a JSON value as a CSV cell: nothing for null."""
    return "" if value is None else str(value)
