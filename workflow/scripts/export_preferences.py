"""Write the preferences of a dataset as a folder that TRL and OpenAI read, with a card: to share, or to push.

Nothing is uploaded here; docs/datasets.md has the command.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.exports import FORMATS, export_card, origin
from workflow.lib.files import read_json, write_jsonl, write_text
from workflow.lib.logs import capture
from workflow.lib.parquet import rows_of
from workflow.lib.records import Pair, Prompt, SftRow, load

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

SPLITS = ("train", "dev")
CREDIT = ("source", "attribution")  # columns that say where a record comes from
TOLD = ("kind", "model", "repo")  # of a teacher


def sources_of(paths: list[str]) -> dict[str, dict[str, str]]:
    """Return where every record in the files ``paths`` comes from, by ``problem_id``."""
    rows = (row for path in paths for row in rows_of(path))
    return {row["problem_id"]: {name: row[name] for name in CREDIT if name in row} for row in rows}


def write_lines(
    folder: Path,
    rows: Mapping[str, list[SftRow] | list[Pair] | list[Prompt]],
    sources: dict[str, dict[str, str]],
) -> dict[str, int]:
    """Write every format of every kind of row and split that has rows; return rows by file."""
    counts = {}
    for kind, formats in FORMATS.items():
        shapes = formats | {f"origins/{kind}": lambda row: origin(row, sources)}
        for split in SPLITS:
            here = [row for row in rows[kind] if row.split == split]
            for stem, shape in shapes.items():
                if here:
                    write_jsonl(folder / f"{stem}-{split}.jsonl", map(shape, here))
                    counts[f"{stem}-{split}.jsonl"] = len(here)
    return counts


def main(
    *,
    train: str,
    dev: str,
    data: str,
    sft: str,
    pairs: str,
    prompts: str,
    card: str,
    export: str,
    dataset: str,
    teachers: dict[str, dict[str, Any]],
) -> None:
    """Write the folder ``export``, its card last."""
    rows: dict[str, Any] = {
        "sft": load(sft, SftRow),
        "pairs": load(pairs, Pair),
        "prompts": load(prompts, Prompt),
    }
    counts = write_lines(Path(export), rows, sources_of([train, dev]))
    told = [
        f"{name}: " + ", ".join(str(teacher[key]) for key in TOLD if key in teacher)
        for name, teacher in teachers.items()
    ]
    write_text(
        Path(export) / "README.md", export_card(dataset, counts, read_json(card), read_json(data), told)
    )
    print(f"{len(counts)} files, {sum(counts.values())} lines")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        train=snakemake.input.train,
        dev=snakemake.input.dev,
        data=snakemake.input.data,
        sft=snakemake.input.sft,
        pairs=snakemake.input.pairs,
        prompts=snakemake.input.prompts,
        card=snakemake.input.card,
        export=snakemake.output.export,
        dataset=snakemake.wildcards.dataset,
        teachers=snakemake.params.teachers,
    )
