"""Put a base model from the hub (at a pinned revision), a mirror or a local folder in its place.

Only configuration, tokenizer and safetensors weights come along: no pickled weights, no code. Files of the
hub must have the digests that are on record for the revision, if any. A base model without a chat template
gets the one that the config names.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.errors import DataError
from workflow.lib.fetching import check_record, of_model, place
from workflow.lib.files import copy_file, digest_of, write_json
from workflow.lib.hub import Repository, provide
from workflow.lib.logs import capture
from workflow.lib.manifests import describe_model

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

DOWNLOADS = Path("work/downloads/models")  # undeclared: what a killed download has got so far


def link_local(settings: dict[str, Any], snapshot: Path, begun: Path) -> None:
    """Link the wanted files of the folder ``path`` into ``snapshot``; copy them where links cannot be."""
    root = Path(settings["path"]).resolve()
    if not root.is_dir():
        raise DataError(f"models: path: expected a folder, found nothing at {root}. Fix: correct it.")
    place(of_model(sorted(path.name for path in root.iterdir() if path.is_file())), root, snapshot)


def take_from_hub(settings: dict[str, Any], snapshot: Path, begun: Path) -> None:
    """Put the wanted files of the repository ``repo`` at ``revision`` into ``snapshot``."""
    repository = Repository("model", settings["repo"], settings["revision"])
    mirror = os.environ.get("PLUMBLINE_MIRROR")
    begun = begun / digest_of(str(repository))[:12]
    provide(repository, of_model, snapshot, begun, settings["megabytes"], mirror)


FETCH = {"local": link_local, "hub": take_from_hub}


def main(
    *,
    snapshot: str,
    manifest: str,
    model: str,
    settings: dict[str, Any],
    checksums: str,
    template: Sequence[str] = (),
) -> None:
    """Fetch ``model`` into the folder ``snapshot`` and describe it in ``manifest``.

    ``template`` names the file of the chat template that it is given, if any.
    """
    folder, begun = Path(snapshot), DOWNLOADS / model
    folder.mkdir(parents=True, exist_ok=True)
    FETCH[settings["kind"]](settings, folder, begun)
    about = {"model": model, "repo": None, "path": None, "revision": None, **settings}
    described = describe_model(folder, settings=settings, **about)
    if settings["kind"] == "hub":
        digests = {entry["path"]: entry["sha256"] for entry in described["files"]}
        check_record(digests, Path(checksums), settings["repo"], settings["revision"])
    if template:
        copy_file(template[0], folder / "chat_template.jinja")  # in place of a link to somebody else's file
        described = describe_model(folder, settings=settings, **about)
    print(f"{model}: {described['parameters']} parameters, digest {described['digest']}")
    write_json(manifest, described)
    shutil.rmtree(begun, ignore_errors=True)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        snapshot=snakemake.output.snapshot,
        manifest=snakemake.output.manifest,
        model=snakemake.wildcards.model,
        settings=snakemake.params.settings,
        checksums=snakemake.params.checksums,
        template=snakemake.input.template,
    )
