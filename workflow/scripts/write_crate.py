"""Describe the run of a study and every file that it left: an RO-Crate, results/ro-crate-metadata.json."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workflow.lib.citations import software
from workflow.lib.crate import Result, crate
from workflow.lib.files import read_json, sha256, write_json
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.lora import SETTINGS, WEIGHTS

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

OF_A_RUN = ("run.json", "curves.parquet", WEIGHTS, SETTINGS)


def described(path: str, folder: Path) -> Result:
    """Return the file at ``path`` as a part of the crate in ``folder``."""
    return Result(Path(os.path.relpath(path, folder)).as_posix(), Path(path).stat().st_size, sha256(path))


def main(*, files: Sequence[str], provenance: str, runs: Sequence[str], crate_file: str) -> None:
    """Write what is known of ``files``, of those in the folders ``runs``, and of what made them."""
    facts = read_json(provenance)
    told = [read_json(f"{run}/run.json") for run in runs]
    times = [str(run[moment]) for run in told for moment in ("started", "ended")]
    every = [*files, *(f"{run}/{name}" for run in runs for name in OF_A_RUN)]
    results = [described(path, Path(crate_file).parent) for path in dict.fromkeys(every)]
    write_json(crate_file, crate(results, facts, software(facts), times))
    print(f"{len(results)} files, {sum(result.bytes for result in results)} bytes, described in {crate_file}")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        files=[
            *snakemake.input,
            *files_of(snakemake.input.evaluations, "scores"),
            *files_of(snakemake.input.answers, "samples"),
        ],
        provenance=snakemake.input.provenance,
        runs=snakemake.params.runs,
        crate_file=snakemake.output.crate,
    )
