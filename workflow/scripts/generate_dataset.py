"""Write a generated dataset in the file formats of the real ones, with a manifest of its files.

Every source gets a folder of its own with a ``planted.jsonl`` beside the rows: which problems were made
ambiguous or got a wrong label on purpose, so that finding them can be scored. Nothing in test has a
wrong label: where a context goes depends on its text and the seed of the split alone.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.files import write_json
from workflow.lib.generators.flips import Flips
from workflow.lib.generators.registry import GENERATORS
from workflow.lib.logs import capture
from workflow.lib.manifests import list_files
from workflow.lib.records import group_id
from workflow.lib.splits import Shares, split_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def flips_of(source: dict[str, Any], dataset: str, split: dict[str, Any]) -> Flips:
    """Return which labels of ``source`` are made wrong."""
    shares = Shares(**split)
    return Flips(
        source["flipped"], lambda context: split_of(group_id(dataset, context), source["into"], shares)
    )


def generate(source: dict[str, Any], files: Path, flips: Flips) -> dict[str, Any]:
    """Write the files of ``source`` into its folder under ``files`` and return its part of the manifest."""
    folder = files / source["name"]
    write = GENERATORS[source["generator"]]
    write(folder, source["seed"], source["size"], source["ambiguous"], flips, source.get("options", {}))
    entries = list_files(folder, files)
    print(f"{source['name']}: generator '{source['generator']}' wrote {len(entries)} files")
    return {**source, "revision": f"seed {source['seed']}", "files": entries}


def main(*, manifest: str, files: str, dataset: str, settings: dict[str, Any]) -> None:
    """Generate every source of ``dataset`` below the folder ``files`` and write ``manifest``."""
    sources = [
        generate(source, Path(files), flips_of(source, dataset, settings["split"]))
        for source in settings["sources"]
    ]
    about = {"dataset": dataset, "licence": settings["licence"], "citation": settings["citation"]}
    write_json(manifest, {**about, "sources": sources})


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        manifest=snakemake.output.manifest,
        files=snakemake.output.files,
        dataset=snakemake.wildcards.dataset,
        settings=snakemake.params.settings,
    )
