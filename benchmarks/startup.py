"""What a training job costs beyond its steps on the tiny model, by method and part of the job.

``python benchmarks/startup.py`` runs a job of each method as the rule ``train`` does, one after the other,
each in a process of its own with one thread, in turns over the repeats, and prints the medians. ``--imports
10`` prints the ten packages on which the import of each script spends most (``python -X importtime``).

Parts: imports with Python's own start; the model and its tokenizer with a new adapter; reading, rendering
and tokenising the rows, and laying them out for the trainer; the trainer's construction; the steps; saving
with the last gates; Python's end; and what is in none of these. DPO starts from the SFT adapter, and
PPO is rewarded by the reward model, both made before and not counted.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import headline
from benchmarks.training_jobs import ROOT, adapter, job, ours, run, snapshot_in, write_rows

METHODS = ("sft", "reward", "dpo", "orpo", "ppo")
STARTS = {"dpo": "sft", "ppo": "sft"}  # as in the demo
PARTS = ("imports", "model", "rows", "trainer", "steps", "saving", "exit", "rest")
PHASES = {  # names in the script, unless a module is given
    **{":load_tokenizer": "model", ":load_base": "model", ":load_scorer": "model", ":attach": "model"},
    ":policy_of": "model",
    **{":recruit": "model", ":encode": "rows", ":sequences": "rows", ":conversations": "rows"},
    **{
        ":LengthTrainer": "trainer",
        ":TokenTrainer": "trainer",
        ":RewardTrainer": "trainer",
        ":Ppo": "trainer",
    },
    **{":optimise": "steps", ":finish": "saving", "workflow.lib.trainers:finish": "saving"},
}


def slowest(method: str, count: int) -> list[str]:
    """Return rows with the ``count`` packages that take most of a script's import, in milliseconds."""
    command = [sys.executable, "-X", "importtime", "-c", f"import workflow.scripts.train_{method}"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr.splitlines()
    parts = [
        line.removeprefix("import time:").split("|") for line in told if line.startswith("import time:")
    ][1:]
    packages: dict[str, float] = {}
    for own, _, module in parts:
        package = ".".join(module.strip().split(".")[:2])
        packages[package] = packages.get(package, 0.0) + float(own) / 1000.0
    first = sorted(packages, key=lambda package: -packages[package])[:count]
    return [f"| {method} | {package} | {packages[package]:.0f} |" for package in first]


def parts_of(found: dict[str, Any]) -> dict[str, float]:
    """Return the seconds of each part of a job; what is in none of them is the rest."""
    seconds = {**dict.fromkeys(PARTS, 0.0), **found["phases"], "exit": found["exit"]}
    return {**seconds, "rest": found["whole"] - sum(seconds.values())}


def main(arguments: Sequence[str]) -> None:
    """Read the command line, make rows and a model, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--snapshot", type=Path, help="model folder; one with random weights if not given")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--rows", type=int, default=600, help="rows of each kind")
    parser.add_argument("--longest", type=int, default=60, help="words of a completion")
    parser.add_argument("--max-length", type=int, default=192, help="tokens of a row; all must fit")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--updates", type=int, default=10, help="of PPO")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--imports", type=int, default=0, help="packages per method to name")
    chosen = parser.parse_args(arguments)
    seen: dict[str, list[dict[str, Any]]] = {method: [] for method in chosen.methods}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snapshot, rows = (
            snapshot_in(folder, chosen.snapshot),
            write_rows(folder / "rows", chosen.rows, chosen.longest),
        )

        def work(method: str) -> dict[str, Any]:
            schedule = {"epochs": chosen.epochs, "max_length": chosen.max_length}
            settings = {"updates": chosen.updates, "max_new_tokens": 32} if method == "ppo" else schedule
            given = {"start": adapter(folder / "sft")} if method in STARTS else {}
            given |= {"reward": adapter(folder / "reward")} if method == "ppo" else {}
            return ours(job(method, snapshot, rows, method, settings=settings, given=given), phases=PHASES)

        for needed in ("sft", "reward") if "ppo" in seen else ("sft",) if "dpo" in seen else ():
            run(work(needed), folder)
        for repeat in range(chosen.repeats):
            for method, found in seen.items():
                found.append(parts_of(run(work(method), folder)))
                print(repeat, method, found[-1], file=sys.stderr)
    print(headline("cpu"), f"medians of {chosen.repeats}\n", sep="; ")
    print(f"| method | {', s | '.join(PARTS)}, s | whole, s | beyond the steps |")
    print(f"|---|{'---|' * (len(PARTS) + 2)}")
    for method, found in seen.items():
        middle = [median(f[part] for f in found) for part in PARTS]
        whole = median(sum(f.values()) for f in found)
        beyond = median(1.0 - f["steps"] / sum(f.values()) for f in found)
        print(f"| {method} | {' | '.join(f'{s:.3f}' for s in middle)} | {whole:.2f} | {100 * beyond:.0f} % |")
    if chosen.imports:
        print("\n| method | package | own import, ms |\n|---|---|---|")
        print(*(line for method in seen for line in slowest(method, chosen.imports)), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
