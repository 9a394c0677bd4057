"""Write what a job of each rule costs, from the benchmark files of a finished run.

``python benchmarks/expected.py results > config/expected/cpu.csv``; a dry run judges by that table where a
rule never ran (``workflow.lib.plan``). Seconds and MB are medians over the jobs of a rule.
"""

import csv
import sys
from pathlib import Path
from statistics import median

# Folder below results/ that a rule writes, to weigh it; the others write little.
FOLDERS = {
    "pretrain_model": "models",
    "sample_rationales": "rationales",
    "build_preferences": "preferences",
    "train": "adapters",
    "evaluate": "evaluation",
    "plot": "figures",
    "normalise_dataset": "data",
    "generate_dataset": "raw",
    "compare_prompts": "prompts",
}


def main(results: Path) -> None:
    """Print a row per rule of the finished run in the folder ``results``."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["rule", "seconds", "megabytes"])
    for entry in sorted((results / "benchmarks").iterdir()):
        rule, jobs = entry.stem, [entry] if entry.is_file() else sorted(entry.rglob("*.tsv"))
        seconds = [float(row["s"]) for job in jobs for row in csv.DictReader(job.open(), delimiter="\t")]
        written = results / FOLDERS[rule] if rule in FOLDERS else None
        size = sum(p.stat().st_size for p in written.rglob("*") if p.is_file()) if written else 0
        out.writerow([rule, round(median(seconds), 1), round(size / len(jobs) / 1e6, 2)])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
