"""Put tables, figures, examples and provenance on one self-contained page, results/report.html.

The report computes nothing: its numbers are cells of the CSV files in results/analysis, rounded, and
its sentences are chosen by the rules of ``workflow.lib.findings``.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.dataset_views import dataset_views
from workflow.lib.figures import Row
from workflow.lib.files import read_csv, read_json, write_text
from workflow.lib.findings import summaries
from workflow.lib.logs import capture, redact
from workflow.lib.report import (
    card_listings,
    example_sets,
    figure_view,
    provenance_view,
    render,
    without_folders,
)
from workflow.lib.tables import all_tables

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

PAGE = "report.html.j2"
STYLE = "report.css"


def read_tables(paths: Sequence[str]) -> dict[str, list[Row]]:
    """Return the rows of every table by its name; a table that is not there has none."""
    return {Path(path).stem: read_csv(path) if Path(path).exists() else [] for path in paths}


def read_found(path: str) -> Any:
    """Return the JSON at ``path``, nothing when it is not there."""
    return read_json(path) if Path(path).exists() else {}


def read_facts(path: str) -> Any:
    """Return the JSON at ``path`` without the folders of this machine, nothing when it is not there."""
    return json.loads(without_folders(json.dumps(read_found(path), ensure_ascii=False)))


def main(
    *,
    tables: Sequence[str],
    figures: Sequence[str],
    captions: Sequence[str],
    examples: str,
    provenance: str,
    checks: str,
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
    filled = {
        "study": study,
        "style": sources[STYLE],
        "summaries": summaries(rows),
        "tables": all_tables(rows, known, outcomes),
        "figures": {
            Path(svg).stem: figure_view(svg, caption) for svg, caption in zip(figures, captions, strict=True)
        },
        "examples": example_sets(shown),
        "example_rule": shown["rule"] if shown else "",
        "checks": outcomes,
        "provenance": provenance_view(read_facts(provenance)),
        "datasets": dataset_views(known),
        "cards": card_listings(known),
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
        provenance=snakemake.input.provenance,
        checks=snakemake.input.checks,
        cards=snakemake.input.cards,
        templates=snakemake.input.templates,
        report=snakemake.output.report,
        study=snakemake.params.study,
    )
