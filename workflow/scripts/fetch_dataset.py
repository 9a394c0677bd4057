"""Copy a dataset's raw files from the hub, a mirror or a local folder, and write their manifest.

Hub files come at a pinned revision, with the digests that are on record for it, if any. The manifest has
size and SHA-256 of every file, so that a later stage refuses a file that changed. Archives are unpacked
beside themselves.
"""

import os
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.archives import is_archive, unpack
from workflow.lib.errors import DataError
from workflow.lib.fetching import check_record, choose, place
from workflow.lib.files import digest_of, write_json
from workflow.lib.hub import Repository, provide
from workflow.lib.logs import capture
from workflow.lib.manifests import list_files

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

DOWNLOADS = Path("work/downloads/datasets")  # undeclared: what a killed download has got so far


def copy_local(source: dict[str, Any], folder: Path, begun: Path) -> None:
    """Copy what the source's patterns match below its path into ``folder``."""
    root = Path(source["path"])
    for pattern in source["files"]:
        matches = sorted(path for path in root.glob(pattern) if path.is_file())
        if not matches:
            raise DataError(f"{root}: no file matches '{pattern}'. Fix: correct 'files' or 'path'.")
        place((path.relative_to(root).as_posix() for path in matches), root, folder, shutil.copyfile)


def take_from_hub(source: dict[str, Any], folder: Path, begun: Path) -> None:
    """Put what the source's patterns match in its repository at its revision into ``folder``."""
    repository = Repository("dataset", source["repo"], source["revision"])
    choice = partial(choose, patterns=source["files"], where=str(repository))
    mirror = os.environ.get("PLUMBLINE_MIRROR")
    provide(repository, choice, folder, begun / digest_of(str(repository))[:12], source["megabytes"], mirror)


FETCH = {"local": copy_local, "hub": take_from_hub}


def fetch(source: dict[str, Any], files: Path, begun: Path, checksums: Path) -> dict[str, Any]:
    """Fetch one source below ``files`` and return its entry of the manifest, without local paths."""
    folder = files / source["name"]
    folder.mkdir(parents=True)
    FETCH[source["kind"]](source, folder, begun / source["name"])
    entries = list_files(folder, files)
    digests = {entry["path"].removeprefix(f"{source['name']}/"): entry["sha256"] for entry in entries}
    if source["kind"] == "hub":
        check_record(digests, checksums, source["repo"], source["revision"])
    for archive in [path for path in map(folder.joinpath, digests) if is_archive(path)]:
        entries += list_files(unpack(archive), files)
    print(f"{source['name']}: {len(entries)} files, {sum(e['bytes'] for e in entries)} bytes")
    about = {key: value for key, value in source.items() if key != "path"}
    return {**about, "files": entries}


def main(*, manifest: str, files: str, dataset: str, settings: dict[str, Any], checksums: str) -> None:
    """Fetch every source of ``dataset`` below the folder ``files`` and write ``manifest``."""
    begun = DOWNLOADS / dataset
    sources = [fetch(source, Path(files), begun, Path(checksums)) for source in settings["sources"]]
    about = {"dataset": dataset, "licence": settings["licence"], "citation": settings["citation"]}
    write_json(manifest, {**about, "sources": sources})
    shutil.rmtree(begun, ignore_errors=True)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        manifest=snakemake.output.manifest,
        files=snakemake.output.files,
        dataset=snakemake.wildcards.dataset,
        settings=snakemake.params.settings,
        checksums=snakemake.params.checksums,
    )
