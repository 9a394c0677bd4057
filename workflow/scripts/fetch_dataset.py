"""Copy a dataset's raw files from the hub or from a local folder, and write their manifest.

Hub files come at a pinned revision. The manifest records size and SHA-256 of every file, so that a
later stage refuses a file that changed.
"""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.errors import DataError
from workflow.lib.files import write_json
from workflow.lib.logs import capture
from workflow.lib.manifests import list_files

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def copy_local(source: dict[str, Any], folder: Path) -> None:
    """Copy what the source's patterns match below its path into ``folder``."""
    root = Path(source["path"])
    for pattern in source["files"]:
        matches = sorted(path for path in root.glob(pattern) if path.is_file())
        if not matches:
            raise DataError(f"{root}: no file matches '{pattern}'. Fix: correct 'files' or 'path'.")
        for path in matches:
            target = folder / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def download(source: dict[str, Any], folder: Path) -> None:
    """Download what the source's patterns match in its repository at its revision into ``folder``."""
    os.environ["HF_HUB_OFFLINE"] = "0"
    from huggingface_hub import snapshot_download

    snapshot_download(
        source["repo"],
        repo_type="dataset",
        revision=source["revision"],
        allow_patterns=source["files"],
        local_dir=folder,
    )
    shutil.rmtree(folder / ".cache", ignore_errors=True)


FETCH = {"local": copy_local, "hub": download}


def fetch(source: dict[str, Any], files: Path) -> dict[str, Any]:
    """Fetch one source below ``files`` and return its entry of the manifest, without local paths."""
    folder = files / source["name"]
    folder.mkdir(parents=True)
    FETCH[source["kind"]](source, folder)
    entries = list_files(folder, files)
    print(f"{source['name']}: {len(entries)} files, {sum(e['bytes'] for e in entries)} bytes")
    about = {key: value for key, value in source.items() if key != "path"}
    return {**about, "files": entries}


def main(*, manifest: str, files: str, dataset: str, settings: dict[str, Any]) -> None:
    """Fetch every source of ``dataset`` below the folder ``files`` and write ``manifest``."""
    sources = [fetch(source, Path(files)) for source in settings["sources"]]
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
