"""Write the methods of the study in words, and all that it cites, ready to paste: Markdown and BibTeX.

Text and entries are chosen by the settings, the cards and the versions in provenance.json: only what this
study uses is in them (``workflow.lib.citations``). ``pandoc --citeproc --bibliography`` reads both.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined

from workflow.lib.citations import (
    CHOICES,
    DATASETS,
    SOFTWARE,
    STRATEGIES,
    adapters_of,
    analysed,
    bibliography,
    chain_of,
    distinct,
    entries_of,
    keys_of_method,
    software,
)
from workflow.lib.families import family
from workflow.lib.figures import look, ordered
from workflow.lib.files import read_json, write_text
from workflow.lib.logs import capture
from workflow.lib.rounds import methods_of
from workflow.lib.splits import SPLITS

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def rows_of_splits(cards: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the rows of each split that has any, by dataset, from the cards of the data stage."""
    found = {str(card["dataset"]): card["rows"] for card in map(read_json, cards)}
    return {name: {split: rows[split] for split in SPLITS if rows.get(split)} for name, rows in found.items()}


def views(facts: dict[str, Any], datasets: dict[str, dict[str, int]]) -> dict[str, Any]:
    """Return what the template is filled with.

    Args:
        facts: Content of provenance.json.
        datasets: Rows of each split by dataset.
    """
    config = facts["config"]
    every = methods_of(config)
    methods = {name: every[name] for name in ordered(every)}
    strategies: dict[str, str] = config["preferences"]["strategy"]
    return {
        "study": config["study"],
        "config": config,
        "methods": methods,
        "datasets": datasets,
        "teachers": list(config["teachers"]),
        "families": {name: family(name) for name in methods},
        "labels": {name: look(name).label for name in ["base", *methods]},
        "seeds": len(config["seeds"]),
        "cited": {
            "data": {
                name: distinct(key for adapter in adapters_of(about) for key in DATASETS[adapter])
                for name, about in config["datasets"].items()
            },
            "preferences": {name: STRATEGIES[strategy] for name, strategy in strategies.items()},
            "adapters": ["hu2022lora", *chain_of(config["lora"] | config["hardware"], CHOICES)],
            "methods": {name: keys_of_method(name, about) for name, about in methods.items()},
        },
        "software": {
            name: {"version": version, "key": SOFTWARE[name]} for name, version in software(facts).items()
        },
        "analysed": analysed(config),
        "commit": facts["commit"],
        "config_sha256": facts["config_sha256"],
    }


def main(
    *, provenance: str, cards: Sequence[str], template: str, library: str, methods: str, references: str
) -> None:
    """Write the text to ``methods`` and the entries that it cites to ``references``."""
    facts = read_json(provenance)
    entries = bibliography(facts, entries_of(Path(library).read_text(encoding="utf-8")))
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    page = environment.from_string(Path(template).read_text(encoding="utf-8"))
    write_text(methods, page.render(views(facts, rows_of_splits(cards))).strip() + "\n")
    write_text(references, "\n\n".join(entries.values()) + "\n")
    print(f"{methods} cites {len(entries)} entries of {references}")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        provenance=snakemake.input.provenance,
        cards=snakemake.input.cards,
        template=snakemake.input.template,
        library=snakemake.input.library,
        methods=snakemake.output.methods,
        references=snakemake.output.references,
    )
