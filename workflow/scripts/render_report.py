"""Put tables, figures, examples and provenance on one self-contained page, results/report.html.

The report computes nothing: its numbers are cells of the CSV files in results/analysis, rounded, and
its sentences are chosen by the rules of ``workflow.lib.findings``.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from workflow.lib.dataset_views import dataset_views
from workflow.lib.figures import Row
from workflow.lib.files import read_csv, read_json, write_text
from workflow.lib.findings import requests, summaries
from workflow.lib.logs import capture, redact
from workflow.lib.page_tables import all_tables
from workflow.lib.prose import paragraphs
from workflow.lib.reasons import latest
from workflow.lib.report import (
    card_listings,
    example_sets,
    figure_view,
    provenance_view,
    render,
    script_hash,
    without_folders,
)
from workflow.lib.shelves import PackedView, packed_view

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

PAGE = "report.html.j2"
STYLE = "report.css"
SCRIPT = "samples.js"


def read_tables(paths: Sequence[str]) -> dict[str, list[Row]]:
    """Return the rows of every table by its name; a table that is not there has none."""
    return {Path(path).stem: read_csv(path) if Path(path).exists() else [] for path in paths}


def read_found(path: str) -> Any:
    """Return the JSON at ``path``, nothing when it is not there."""
    return read_json(path) if Path(path).exists() else {}


def read_facts(path: str) -> Any:
    """Return the JSON at ``path`` without the folders of this machine, nothing when it is not there."""
    return json.loads(without_folders(json.dumps(read_found(path), ensure_ascii=False)))


def read_whole(path: str) -> str:
    """Return the text at ``path`` without the folders of this machine, nothing when it is not there."""
    return without_folders(Path(path).read_text(encoding="utf-8")) if Path(path).exists() else ""


def read_packed(path: str) -> PackedView | None:
    """Return the packed answers at ``path`` without secrets, nothing when they are not there."""
    if not Path(path).exists():
        return None
    return packed_view(Path(path).read_bytes(), lambda text: redact(text, os.environ))


def main(
    *,
    tables: Sequence[str],
    figures: Sequence[str],
    captions: Sequence[str],
    examples: str,
    samples: str,
    provenance: str,
    checks: str,
    methods: str,
    references: str,
    cards: Sequence[str],
    templates: Sequence[str],
    report: str,
    study: dict[str, Any],
) -> None:
    """Read what the stages left, fill the templates and write the page to ``report``."""
    rows = read_tables(tables)
    sources = {Path(path).name: Path(path).read_text(encoding="utf-8") for path in templates}
    known = [card for card in map(read_facts, cards) if card]
    outcomes, shown = read_facts(checks), read_found(examples)
    pasted = {Path(path).name: read_whole(path) for path in (methods, references)}
    filled = {
        "study": study,
        "style": Markup(sources[STYLE]),  # ours, and raw text to a browser: entities would be no quotes
        "script": Markup(sources[SCRIPT]),
        "script_hash": script_hash(sources[SCRIPT]),
        "summaries": summaries(rows),
        "requests": requests(rows["resources"]),
        "tables": all_tables(rows, known, outcomes),
        "figures": {
            Path(svg).stem: figure_view(svg, caption) for svg, caption in zip(figures, captions, strict=True)
        },
        "examples": example_sets(shown),
        "shelves": read_packed(samples),
        "example_rule": shown["rule"] if shown else "",
        "checks": outcomes,
        "provenance": provenance_view(read_facts(provenance), latest()),
        "datasets": dataset_views(known),
        "cards": card_listings(known),
        "methods": paragraphs(*pasted.values()),
        "pasted": pasted,
    }
    page = redact(render(sources, PAGE, filled), os.environ)
    write_text(report, page)
    print(f"{report}: {len(page.encode())} bytes")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        tables=snakemake.input.tables,
        figures=snakemake.input.figures,
        captions=snakemake.input.captions,
        examples=snakemake.input.examples,
        samples=snakemake.input.samples,
        provenance=snakemake.input.provenance,
        checks=snakemake.input.checks,
        methods=snakemake.input.methods,
        references=snakemake.input.references,
        cards=snakemake.input.cards,
        templates=snakemake.input.templates,
        report=snakemake.output.report,
        study=snakemake.params.study,
    )
