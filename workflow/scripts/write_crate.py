"""Describe the run of a study and every file that it left: an RO-Crate, results/ro-crate-metadata.json."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workflow.lib.citations import software
from workflow.lib.crate import Result, crate
from workflow.lib.files import read_json, sha256, write_json
from workflow.lib.logs import capture

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def described(path: str, folder: Path) -> Result:
    """Return the file at ``path`` as a part of the crate in ``folder``."""
    return Result(Path(os.path.relpath(path, folder)).as_posix(), Path(path).stat().st_size, sha256(path))


def main(*, files: Sequence[str], provenance: str, runs: Sequence[str], crate_file: str) -> None:
    """Write what is known of ``files`` and of the run that made them to ``crate_file``."""
    facts = read_json(provenance)
    times = [str(run[moment]) for run in map(read_json, runs) for moment in ("started", "ended")]
    results = [described(path, Path(crate_file).parent) for path in dict.fromkeys(files)]
    write_json(crate_file, crate(results, facts, software(facts), times))
    print(f"{len(results)} files, {sum(result.bytes for result in results)} bytes, described in {crate_file}")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        files=list(snakemake.input),
        provenance=snakemake.input.provenance,
        runs=snakemake.input.runs,
        crate_file=snakemake.output.crate,
    )
