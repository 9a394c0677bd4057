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
from tests.slurm.cluster import cluster  # noqa: E402
from tests.slurm.drivers import write_site  # noqa: E402
from tests.studies import Study, clone, digests  # noqa: E402


def locally(folder: Path, config: str) -> tuple[Study, float, int]:
    """Run a study on this machine; return it, its seconds, and that no job was a cluster's."""
    study = clone(folder, config)
    begun = time.perf_counter()
    study.run("--cores", str(os.cpu_count()))
    return study, time.perf_counter() - begun, 0


def by_slurm(folder: Path, config: str) -> tuple[Study, float, int]:
    """Run a study by the profile that ships; return it, its seconds and the number of SLURM's jobs."""
    study = clone(folder, config)
    write_site(study)
    with cluster(2 * (os.cpu_count() or 1)) as slurm:
        begun = time.perf_counter()
        study.run(profile="slurm", path=slurm.path)
        return study, time.perf_counter() - begun, len(slurm.jobs())


def main(arguments: Sequence[str]) -> None:
    """Read the command line, run both sides in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="config/demo.yaml")
    parser.add_argument("--repeats", type=int, default=1)
    chosen = parser.parse_args(arguments)
    sides = {
        "local": lambda folder: locally(folder, chosen.study),
        "slurm": lambda folder: by_slurm(folder, chosen.study),
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    submitted: dict[str, int] = {}
    made: dict[str, str] | None = None
    for _ in range(chosen.repeats):
        for side, run in sides.items():
            with tempfile.TemporaryDirectory() as folder:
                study, taken, submitted[side] = run(Path(folder) / "clone")
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
