"""Put a base model from the hub (at a pinned revision) or from a local folder in its place.

Only configuration, tokenizer and safetensors weights come along: no pickled weights, no code.
"""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.errors import DataError
from workflow.lib.files import write_json
from workflow.lib.logs import capture
from workflow.lib.manifests import describe_model

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

WANTED = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.model", "*.txt")


def link_local(settings: dict[str, Any], snapshot: Path) -> None:
    """Link the wanted files of the folder ``path`` into ``snapshot``; copy them where links cannot be."""
    root = Path(settings["path"]).resolve()
    if not root.is_dir():
        raise DataError(f"models: path: expected a folder, found nothing at {root}. Fix: correct it.")
    wanted = sorted({path for pattern in WANTED for path in root.glob(pattern) if path.is_file()})
    for path in wanted:
        try:
            (snapshot / path.name).hardlink_to(path.resolve())
        except OSError:
            shutil.copyfile(path, snapshot / path.name)


def download(settings: dict[str, Any], snapshot: Path) -> None:
    """Download the wanted files of the repository ``repo`` at ``revision`` into ``snapshot``."""
    os.environ["HF_HUB_OFFLINE"] = "0"
    from huggingface_hub import snapshot_download

    snapshot_download(
        settings["repo"], revision=settings["revision"], allow_patterns=list(WANTED), local_dir=snapshot
    )
    shutil.rmtree(snapshot / ".cache", ignore_errors=True)


FETCH = {"local": link_local, "hub": download}


def main(*, snapshot: str, manifest: str, model: str, settings: dict[str, Any]) -> None:
    """Fetch ``model`` into the folder ``snapshot`` and describe it in ``manifest``."""
    folder = Path(snapshot)
    folder.mkdir(parents=True, exist_ok=True)
    FETCH[settings["kind"]](settings, folder)
    about = {"model": model, "repo": None, "path": None, "revision": None, **settings}
    described = describe_model(folder, settings=settings, **about)
    print(f"{model}: {described['parameters']} parameters, digest {described['digest']}")
    write_json(manifest, described)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        snapshot=snakemake.output.snapshot,
        manifest=snakemake.output.manifest,
        model=snakemake.wildcards.model,
        settings=snakemake.params.settings,
    )
