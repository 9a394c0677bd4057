"""The demo by ``--profile slurm`` on a SLURM of this machine against the demo on the machine itself.

``python benchmarks/slurm.py`` runs the study from nothing in a clone of its own for each side, in turn, and
fails unless both made the same bytes. The cluster is the one of the tests, with twice the machine's
cores: the driver submits what is ready, and SLURM lets it wait. ``make system`` installs what it needs.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.machine import headline  # noqa: E402
from tests.slurm.drivers import run_whole  # noqa: E402
from tests.studies import Study, clone, digests  # noqa: E402


def locally(study: Study) -> int:
    """Run a study on this machine; return that no job was a cluster's."""
    study.run("--cores", str(os.cpu_count()))
    return 0


def by_slurm(study: Study) -> int:
    """Run a study by the profile that ships, on a cluster that starts and ends; return its number of jobs."""
    return len(run_whole(study))


SIDES = {"local": locally, "slurm": by_slurm}


def main(arguments: Sequence[str]) -> None:
    """Read the command line, run both sides in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="config/demo.yaml")
    parser.add_argument("--repeats", type=int, default=1)
    chosen = parser.parse_args(arguments)
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    submitted: dict[str, int] = {}
    made: dict[str, str] | None = None
    for _ in range(chosen.repeats):
        for side, run in SIDES.items():
            with tempfile.TemporaryDirectory() as folder:
                study = clone(Path(folder) / "clone", chosen.study)
                begun = time.perf_counter()
                submitted[side] = run(study)
                taken = time.perf_counter() - begun
                found = digests(study)
            if made is not None and found != made:
                raise SystemExit(f"{side}: another run made other bytes")
            made = found
            seconds[side].append(taken)
            print(f"{side}: {taken:.0f} s", file=sys.stderr)
    medians = {side: statistics.median(taken) for side, taken in seconds.items()}
    print(headline("cpu", ["snakemake", "snakemake-executor-plugin-slurm"]))
    print("\n| side | runs | SLURM's jobs | s | ÷ local |\n|---|---|---|---|---|")
    for side, taken in medians.items():
        ratio = taken / medians["local"]
        print(f"| {side} | {chosen.repeats} | {submitted[side]} | {taken:.0f} | {ratio:.2f} |")
    print(f"\n{len(made or {})} files are the same.")


if __name__ == "__main__":
    main(sys.argv[1:])
