"""Write a generated dataset in the file formats of the real ones, with a manifest of its files.

Every source gets a folder of its own with a ``planted.jsonl`` beside the rows: which problems were made
ambiguous on purpose, so that finding them can be scored.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.files import write_json
from workflow.lib.generators.registry import GENERATORS
from workflow.lib.logs import capture
from workflow.lib.manifests import list_files

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def generate(source: dict[str, Any], files: Path) -> dict[str, Any]:
    """Write the files of ``source`` into its folder under ``files`` and return its part of the manifest."""
    folder = files / source["name"]
    options = source.get("options", {})
    GENERATORS[source["generator"]](folder, source["seed"], source["size"], source["ambiguous"], options)
    entries = list_files(folder, files)
    print(f"{source['name']}: generator '{source['generator']}' wrote {len(entries)} files")
    return {**source, "revision": f"seed {source['seed']}", "files": entries}


def main(*, manifest: str, files: str, dataset: str, settings: dict[str, Any]) -> None:
    """Generate every source of ``dataset`` below the folder ``files`` and write ``manifest``."""
    sources = [generate(source, Path(files)) for source in settings["sources"]]
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
