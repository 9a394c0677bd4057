"""Pack the outcomes of all policies on all problems, and as many of their texts as a page has room for.

The sample browser of the report searches results/analysis/samples.jsonl.gz (``workflow.lib.shelves`` says
what its lines hold; ``zcat`` shows them). Which texts go first is a matter of the seed of the analysis alone.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workflow.lib.figures import look, ordered
from workflow.lib.files import write_bytes
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.overlaps import check_seen, read_seen
from workflow.lib.samples import load_samples
from workflow.lib.shelves import index_line, pack, shelves_of, text_lines
from workflow.lib.statistics import Settings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ROOM = 3_000_000  # bytes of the packed file; on the page, as base64, a third more


def main(
    *, samples: Sequence[str], contamination: Mapping[str, str], packed: str, settings: dict[str, Any]
) -> None:
    """Write outcomes and texts of the answers in the files ``samples`` to the file ``packed``."""
    answers, seen = load_samples(samples), read_seen(contamination)
    check_seen(answers, seen)
    methods = ordered(sample.method for sample in answers)
    shelves = shelves_of(answers, methods)
    texts = text_lines(shelves, Settings(**settings).generator())
    index = index_line(shelves, {name: look(name).label for name in methods}, seen)
    content, taken = pack(index, texts, ROOM)
    write_bytes(packed, content)
    lines = sum(len(shelf.turns) * len(shelf.problems) for shelf in shelves)
    print(f"{len(answers)} outcomes; texts of {taken} of {lines} problems, seeds and repeats in {packed}")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        contamination=dict(zip(snakemake.params.datasets, snakemake.input.contamination, strict=True)),
        packed=snakemake.output.packed,
        settings=snakemake.params.settings,
    )
