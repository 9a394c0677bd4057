"""Put the LoRA adapter of a teacher, from the hub at a pinned revision or from a local folder, in its place.

Only its weights as safetensors and its configuration come along, once they fit the base that the study names.
"""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.fetching import ADAPTER, check_record, of_adapter, place
from workflow.lib.files import sha256, write_json
from workflow.lib.hub import Repository, provide
from workflow.lib.logs import capture
from workflow.lib.lora import read_adapter

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

DOWNLOADS = Path("work/downloads/adapters")  # undeclared: what a killed download has got so far


def link_local(settings: dict[str, Any], folder: Path, begun: Path) -> None:
    """Link the files of the folder ``path`` into ``folder``; copy them where links cannot be."""
    root = Path(settings["path"])
    place(of_adapter([path.name for path in root.iterdir()]), root, folder)


def take_from_hub(settings: dict[str, Any], folder: Path, begun: Path) -> None:
    """Put the files of the repository ``repo`` at ``revision`` into ``folder``."""
    repository = Repository("model", settings["repo"], settings["revision"])
    mirror = os.environ.get("PLUMBLINE_MIRROR")
    provide(repository, of_adapter, folder, begun / settings["revision"], settings["megabytes"], mirror)


FETCH = {"local": link_local, "hub": take_from_hub}


def main(
    *,
    local: list[str],
    base: str,
    snapshot: str,
    adapter: str,
    manifest: str,
    name: str,
    settings: dict[str, Any],
    checksums: str,
) -> None:
    """Fetch the adapter of the teacher ``name`` to the path ``adapter`` and describe it in ``manifest``.

    Args:
        local: Its files, where they lie in a local folder.
        base: Manifest of the base model.
        snapshot: Folder of the base model.
        adapter: Path of the weights; the configuration goes beside it.
        manifest: What it is, with the digests of its files.
        name: Of the teacher.
        settings: Where it comes from: ``adapter`` of the teacher.
        checksums: Folder of the digests on record.
    """
    folder, begun = Path(adapter).parent, DOWNLOADS / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in ADAPTER:
        (folder / file).unlink(missing_ok=True)
    FETCH[settings["kind"]](settings, folder, begun)
    digests = {file: sha256(folder / file) for file in ADAPTER}
    if settings["kind"] == "hub":
        check_record(digests, Path(checksums), settings["repo"], settings["revision"])
    found = read_adapter([adapter], base, snapshot)
    assert found
    about = {"teacher": name, "repo": None, "path": None, "revision": None, **settings}
    described = {"rank": found.rank, "modules": found.modules, "digest": found.digest, "files": digests}
    print(f"{name}: rank {found.rank} on {', '.join(found.modules)}, digest {found.digest}")
    write_json(manifest, {**about, **described})
    shutil.rmtree(begun, ignore_errors=True)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        local=list(snakemake.input.local),
        base=snakemake.input.base,
        snapshot=snakemake.input.snapshot,
        adapter=snakemake.output.adapter,
        manifest=snakemake.output.manifest,
        name=snakemake.wildcards.teacher,
        settings=snakemake.params.settings,
        checksums=snakemake.params.checksums,
    )
