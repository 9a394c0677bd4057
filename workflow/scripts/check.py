"""Check a study before it costs anything: secrets, disk, GPUs, sources, chat templates, adapters, leakage.

Reads what is there, fetches nothing, loads no weights and sends no request that costs money. All problems are
told at once; the exit code is 3 where every problem is a missing dependency or secret, else 2.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.earlier import read_earlier
from workflow.lib.errors import DataError, DependencyError
from workflow.lib.estimates import Estimator
from workflow.lib.logs import capture, redact
from workflow.lib.preflight.lines import Site
from workflow.lib.preflight.registry import look
from workflow.lib.workloads import Sizes

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

RESULTS = Path("results")


def main(*, config: dict[str, Any], presets: dict[str, Any], root: str, offline: bool) -> None:
    """Print a line per finding on the study ``config``, and fail with all problems if there are any.

    Args:
        config: The study.
        presets: What is assumed of jobs that never ran (``config/expected/presets.yaml``).
        root: The repository.
        offline: Whether the user has switched the hub off.
    """
    sizes = Sizes(config, presets["prompt_tokens"], RESULTS, Path(root))
    site = Site(config, Estimator(sizes, presets, read_earlier(RESULTS)), os.environ, offline)
    found = list(look(site))
    print(*(redact(line.told(check), os.environ) for check, line in found), sep="\n")
    problems = [(check, line) for check, line in found if line.state == "problem"]
    waiting = sum(line.state == "not yet" for _, line in found)
    if problems:
        kinds = {line.exit_code for _, line in problems}
        kind = DependencyError if kinds == {DependencyError.exit_code} else DataError
        where = ", ".join(sorted({check for check, _ in problems}))
        raise kind(f"{len(problems)} of {len(found)} lines are problems: {where}. Fix: as each line says.")
    print(f"No problem found; {waiting} of {len(found)} lines must wait. What it would cost: snakemake -n")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        config=snakemake.params.config,
        presets=snakemake.params.presets,
        root=snakemake.params.root,
        offline=snakemake.params.offline,
    )
