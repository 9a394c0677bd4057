"""Send one adapter to the model hub, and note the commit: only when asked for by name, never by ``all``."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.files import read_json, write_json
from workflow.lib.logs import capture
from workflow.lib.publishing import contents, namespace_of, push, token_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(*, adapter: str, manifest: str, receipt: str, name: str, publish: Mapping[str, Any]) -> None:
    """Send the adapter whose weights are the file ``adapter`` and write the receipt.

    Args:
        adapter: Weights of the adapter, its other files beside them.
        manifest: Of the base model.
        receipt: JSON file to write: repository, commit, and the digest of every file sent.
        name: Of the repository, below the namespace.
        publish: The config's section of that name.
    """
    repository = f"{namespace_of(publish)}/{name}"
    variable = publish["token_env"]
    token = token_of(variable, os.environ)
    files = contents(Path(adapter).parent, read_json(manifest))
    commit = push(files, repository, private=publish["private"], token=token, variable=variable)
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    write_json(receipt, {"repository": repository, "commit": commit, "files": digests})
    print(f"{repository}: {len(files)} files in commit {commit}")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        adapter=snakemake.input.adapter,
        manifest=snakemake.input.manifest,
        receipt=snakemake.output.receipt,
        name=snakemake.params.name,
        publish=snakemake.params.publish,
    )
