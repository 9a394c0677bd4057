"""Dataset adapters by name: how raw rows are found, and what each of them becomes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from workflow.lib.datasets import (
    abduction_rules,
    folio,
    imdb,
    logicbench,
    logiglue,
    own_table,
    piqa,
    puzzle,
    puzzle_rationales,
    stack_exchange,
    traces,
)
from workflow.lib.datasets.raw import Row, Skipped, Source, table_rows
from workflow.lib.records import GivenPair, Passage, Problem, Record, Trace


@dataclass(frozen=True)
class Adapter:
    """The two functions of an adapter and the kind of record that they make.

    ``rows`` finds the raw rows of a source's files: what is wrong there stops everything. ``records`` turns
    one row into records, or says why it is left out: what is wrong there is told for 20 rows at a time.
    """

    kind: type[Record]
    rows: Callable[[Source], Iterator[Row]]
    records: Callable[[Row, Source], Iterable[Record | Skipped]]


def tables(source: Source) -> Iterator[Row]:
    """Yield the rows of every table below the folder of ``source``."""
    yield from table_rows(source.folder)


ADAPTERS: dict[str, Adapter] = {
    "logicbench_bqa": Adapter(Problem, logicbench.contexts, logicbench.yes_no_questions),
    "logicbench_mcqa": Adapter(Problem, logicbench.contexts, logicbench.choice_question),
    "logiglue": Adapter(Problem, logiglue.rows, logiglue.question),
    "folio": Adapter(Problem, tables, folio.conclusion),
    "abduction_rules": Adapter(Problem, tables, abduction_rules.observations),
    "piqa": Adapter(Problem, piqa.labelled_rows, piqa.goal),
    "puzzle": Adapter(Problem, puzzle.instances, puzzle.puzzle),
    "imdb": Adapter(Passage, tables, imdb.review),
    "stack_exchange": Adapter(GivenPair, tables, stack_exchange.pair),
    "r1_traces": Adapter(Trace, tables, traces.traces),
    "table": Adapter(Problem, own_table.rows, own_table.question),
    "puzzle_rationales": Adapter(Trace, tables, puzzle_rationales.solved),
}
