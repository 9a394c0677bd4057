"""Turn a dataset's raw files into records of one schema, cleaned, split by group, and described.

Every row is counted: left out by the adapter, dropped as a conflict, a duplicate or a near duplicate, over
a limit, or of a group that is held out. ``near.parquet`` has every pair of rows that are nearly the same,
those with different answers too, which stay. A million rows pass in less than two gigabytes of memory.
"""

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from workflow.lib.datacards import conflict_lines, dataset_card
from workflow.lib.datasets.raw import Source
from workflow.lib.datasets.registry import ADAPTERS
from workflow.lib.errors import DataError, raise_all
from workflow.lib.facts import Facts, facts_of, join
from workflow.lib.fates import CODES, SourceRule, decide, near_table
from workflow.lib.files import read_json, write_json, write_jsonl
from workflow.lib.intake import Spill, batches, gold_problem, kept_records
from workflow.lib.logs import capture
from workflow.lib.manifests import check_files
from workflow.lib.parquet import stream_parquet, tables_of, write_parquet
from workflow.lib.records import Problem
from workflow.lib.splits import SPLITS, Shares

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ROWS_AT_ONCE = 10_000


def source_of(settings: dict[str, Any], files: Path, dataset: str, tokenizers: dict[str, str]) -> Source:
    """Return one source of the config with its folder and, where it needs one, its tokenizer."""
    options = {"options": {}, **settings}["options"]
    tokenizer = Tokenizer.from_file(tokenizers[options["tokenizer"]]) if "tokenizer" in options else None
    if tokenizer is not None:  # a file may ask for both, and then no text is ever too long
        tokenizer.no_truncation()
        tokenizer.no_padding()
    return Source(files / settings["name"], dataset, settings["name"], options, tokenizer)


def take_in(settings: dict[str, Any], sources: list[Source], spill: Spill, skipped: Counter[str]) -> Facts:
    """Read every source into ``spill`` and return what decides on the rows.

    Raises:
        DataError: Rows cannot be read, or our own scorer refuses a gold answer.
    """
    parts, refused = [], []
    for index, source in enumerate(sources):
        adapter = ADAPTERS[settings["sources"][index]["adapter"]]
        for batch in batches(kept_records(source, adapter, skipped), ROWS_AT_ONCE):
            refused += [line for r in batch if isinstance(r, Problem) and (line := gold_problem(r))]
            parts.append(facts_of(batch, index, settings["near_duplicates"]["words"]))
            spill.add(batch)
    spill.close()
    raise_all(refused)
    if not parts:
        raise DataError(f"dataset '{sources[0].dataset}': no row in its files. Fix: check 'files'.")
    return join(parts)


def rule_of(source: dict[str, Any]) -> SourceRule:
    """Return what the study says of the rows of a source."""
    unlimited = {"rows_per_rule": None, "rows_per_group": None}
    return SourceRule(source["into"], **unlimited | {"limits": {}, **source}["limits"])


def main(
    *,
    manifest: str,
    files: str,
    splits: dict[str, str],
    exports: dict[str, str],
    near: str,
    card: str,
    dataset: str,
    settings: dict[str, Any],
    tokenizers: dict[str, str],
) -> None:
    """Read, check, clean, split and describe ``dataset``."""
    about = read_json(manifest)
    for entry in about["sources"]:
        check_files(files, entry["files"])
    sources = [source_of(entry, Path(files), dataset, tokenizers) for entry in settings["sources"]]
    (kind,) = {ADAPTERS[entry["adapter"]].kind for entry in settings["sources"]}
    skipped: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        spill = Spill(Path(folder), kind)
        facts = take_in(settings, sources, spill, skipped)
        shares = Shares(**settings["split"])
        rules = [rule_of(entry) for entry in settings["sources"]]
        decision = decide(facts, rules, shares, settings["near_duplicates"]["similarity"])
        if not (decision.fate == SPLITS.index("test")).any():
            raise DataError(f"dataset '{dataset}': the test split is empty. Fix: raise split.test.")
        for code, split in enumerate(SPLITS):
            note = {"dataset": dataset, "split": split, "sources": about["sources"]}
            stream_parquet(splits[split], spill.schema, spill.sorted(decision.fate == code), note)
            rows = (row for table in tables_of(splits[split]) for row in table.to_pylist())
            write_jsonl(exports[split], rows)
        conflicts = (
            conflict_lines(spill.sorted(decision.fate == CODES["conflicts"])) if kind is Problem else []
        )
    pairs = near_table(facts, decision)
    write_parquet(near, pairs, {"dataset": dataset, **settings["near_duplicates"]})
    fates = Counter(decision.fate.tolist())
    made = dataset_card(dataset, kind, splits, skipped, fates, conflicts, pairs, shares.seed)
    write_json(card, {**made, "licence": about["licence"], "citation": about["citation"]})
    print(f"{dataset}: {made['funnel']} {made['rows']}")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        manifest=snakemake.input.manifest,
        files=snakemake.input.files,
        splits={split: snakemake.output[split] for split in SPLITS},
        exports={split: snakemake.output[f"{split}_jsonl"] for split in SPLITS},
        near=snakemake.output.near,
        card=snakemake.output.card,
        dataset=snakemake.wildcards.dataset,
        settings=snakemake.params.settings,
        tokenizers=snakemake.params.tokenizers,
    )
