"""What it costs to plan studies of about 5,000 jobs: seconds of CPU of a dry run from nothing.

``python benchmarks/dag.py`` makes three studies of the demo, with more datasets, models, teachers, shards,
methods and seeds, and runs ``snakemake --dry-run`` on each; most jobs sample rationales in the first, train
in the last. ``--workflow FOLDER`` plans by another copy of the rules, as a checkout from before a change.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.machine import headline  # noqa: E402


@dataclass(frozen=True)
class Size:
    """How many there are of what a study multiplies."""

    datasets: int
    models: int
    teachers: int
    shards: int
    betas: int  # of DPO: a method each, beside SFT, reward model, DPO, ORPO and PPO
    seeds: int


SIZES = {
    "sampling": Size(datasets=3, models=1, teachers=12, shards=128, betas=5, seeds=10),
    "both": Size(datasets=3, models=2, teachers=12, shards=96, betas=5, seeds=20),
    "training": Size(datasets=4, models=4, teachers=2, shards=4, betas=10, seeds=20),
}


def study_of(size: Size) -> dict[str, Any]:
    """Return the demo's study with as many of everything as ``size`` says."""
    study = dict(yaml.safe_load((ROOT / "config/demo.yaml").read_text()))
    datasets = copies(study["datasets"], "logic", size.datasets)
    models = copies(study["models"], "tiny", size.models)
    copies(study["teachers"], "tiny", size.teachers)
    for number in range(size.betas):
        study["methods"][f"dpo-{number}"] = {**study["methods"]["dpo"], "beta": 0.01 * (number + 1)}
    study["rationales"]["shards"] = size.shards
    study["seeds"] = list(range(1, size.seeds + 1))
    study["train"] |= {"datasets": datasets, "models": models}
    study["preferences"]["strategy"] = dict.fromkeys(datasets, "right_vs_wrong")
    return study


def copies(section: dict[str, Any], name: str, count: int) -> list[str]:
    """Add copies of an entry until a section has ``count`` of it; return their names."""
    names = [name, *(f"{name}-{number}" for number in range(2, count + 1))]
    section |= {each: deepcopy(section[name]) for each in names}
    return names


def plan(study: dict[str, Any], workflow: Path, folder: Path) -> tuple[int, float, float]:
    """Return the jobs of a study, and the seconds of CPU and the MiB that its dry run takes in ``folder``."""
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    command = [Path(sys.executable).with_name("snakemake"), "--dry-run", "--quiet", "rules", "--snakefile"]
    command += [workflow / "Snakefile", "--workflow-profile", workflow / "profiles/default"]
    command += ["--configfile", folder / "study.yaml"]
    with (folder / "told.txt").open("w") as told:
        process = subprocess.Popen(command, cwd=folder, stdout=told, stderr=told)
        _, status, used = os.wait4(process.pid, 0)
    text = (folder / "told.txt").read_text()
    found = re.search(r"^Plan: (\d+) jobs", text, re.MULTILINE)
    if status or found is None:
        raise SystemExit(text[-3000:])
    return int(found[1]), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main(arguments: Sequence[str]) -> None:
    """Read the command line, plan every study and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workflow", type=Path, default=ROOT, help="folder of the Snakefile")
    parser.add_argument("--studies", nargs="+", choices=SIZES, default=list(SIZES))
    chosen = parser.parse_args(arguments)
    print(
        headline("cpu", ["snakemake"]),
        "\n\n| study | jobs | CPU, s | ms per job | memory, MiB |\n|---|---|---|---|---|",
    )
    for name in chosen.studies:
        with tempfile.TemporaryDirectory() as folder:
            jobs, seconds, memory = plan(study_of(SIZES[name]), chosen.workflow.resolve(), Path(folder))
        print(
            f"| {name} | {jobs:,} | {seconds:.1f} | {1000 * seconds / jobs:.1f} | {memory:.0f} |", flush=True
        )


if __name__ == "__main__":
    main(sys.argv[1:])
