"""What of a study's processor time goes into running jobs at all: planning, starting processes, importing.

``python benchmarks/overhead.py FOLDER --study config/demo.yaml``, with the folder of a finished study, adds
up what Snakemake's benchmarks say of each rule's jobs, and measures per script what a process costs that only
starts Python and imports. The driver's part is a dry run from nothing.
Then the same costs are put on the jobs of every shipped study, beside the first study's compute.
"""

import argparse
import csv
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.machine import headline  # noqa: E402
from tests.golden import STUDIES, golden_of, read  # noqa: E402


def cpu_of(command: Sequence[str | Path], folder: Path) -> float:
    """Return the seconds of CPU that a command takes in ``folder``."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return used.ru_utime + used.ru_stime


def spent(results: Path) -> dict[str, list[float]]:
    """Return the seconds of CPU of every job, by rule, from the benchmarks in ``results``."""
    found: dict[str, list[float]] = {}
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        rule = path.relative_to(results / "benchmarks").parts[0].removesuffix(".tsv")
        with path.open(newline="") as stream:
            found.setdefault(rule, []).extend(
                float(row["cpu_time"]) for row in csv.DictReader(stream, delimiter="\t")
            )
    return found


def script_of(rule: str) -> str:
    """Return a script of a rule: its own, or one of those among which it chooses."""
    own = {"train": "train_dpo", "plot": "plot_accuracy", "evaluate_again": "evaluate"}
    return own.get(rule, rule)


def start_of(script: str) -> float:
    """Return the seconds of CPU of a process that only imports a script."""
    code = f"import snakemake.iocontainers, pickle\nimport workflow.scripts.{script}"
    return cpu_of([sys.executable, "-c", code], ROOT)


def main(arguments: Sequence[str]) -> None:
    """Read the command line, measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of a finished study")
    parser.add_argument("--study", default="config/demo.yaml")
    chosen = parser.parse_args(arguments)
    jobs = spent(chosen.folder / "results")
    starts = {rule: start_of(script_of(rule)) for rule in jobs}
    snakemake = [Path(sys.executable).with_name("snakemake"), "-n", "--forceall", "--quiet", "rules"]
    planning = cpu_of([*snakemake, "--configfile", chosen.study], chosen.folder)
    total = sum(map(sum, jobs.values()))
    begun = sum(starts[rule] * len(times) for rule, times in jobs.items())
    print(
        headline("cpu", ["snakemake"]),
        "\n\n| rule | jobs | CPU, s | of it start and imports, s |\n|---|---|---|---|",
    )
    for rule in sorted(jobs, key=lambda rule: -sum(jobs[rule])):
        print(
            f"| {rule} | {len(jobs[rule])} | {sum(jobs[rule]):.1f} | {starts[rule] * len(jobs[rule]):.1f} |"
        )
    print(f"\nAll: {total:.0f} s, of it {begun:.0f} s start and imports; planning {planning:.1f} s.\n")
    print("| study | jobs | start and imports, s | ÷ CPU of the finished study's jobs |\n|---|---|---|---|")
    for study in STUDIES:
        counts: Counter[str] = read(golden_of(study)).jobs
        known = sum(starts.get(rule, 0.0) * count for rule, count in counts.items())
        print(f"| {study.stem} | {counts.total() - 1} | {known:.0f} | {100 * known / total:.0f} % |")


if __name__ == "__main__":
    main(sys.argv[1:])
