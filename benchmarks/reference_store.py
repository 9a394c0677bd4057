"""DPO over several betas: the reference's numbers computed once and stored, against live in every step.

``python benchmarks/reference_store.py`` trains one adapter per beta, as the workflow does for the trials of
a sweep or for methods that differ in beta: with ``train.reference_logps: live``, and with ``stored``, where
the first job computes what the others find. Jobs run one after the other, each in a process of its own with
one thread; the two kinds take turns over the repeats, each repeat with an empty store. The script fails
where a loss differs by more than ``TOLERANCE``.

What can be gained: a step goes forward and back through the policy and once forward through the reference.
With k betas and e epochs the store leaves one of k e reference passes. Where products take the time, going
back through frozen weights takes as long as going forward, so that the gain is 3 k e / (2 k e + 1), 1.5 at
most; on the demo's model going back takes longer. ``--hidden`` and ``--layers`` try a larger one. LoRA is
that of the study tinyllama-dpo, on two layers of attention.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import headline
from benchmarks.training_jobs import DEMO, ROOT, apart, job, ours, run, snapshot_in, write_rows

TOLERANCE = 1e-3  # largest difference of a loss, as a share of it; rounding: reference batches pad otherwise
KINDS = ("live", "stored")
LORA = yaml.safe_load((ROOT / "config/studies/tinyllama-dpo.yaml").read_text())["lora"]
PHASES = {"workflow.lib.anchors:REFERENCES": "reference"}
HEAD = (
    "| reference | jobs | steps | reference before the steps, s | in steps, s | both, s | live ÷ this "
    "| whole, s | live ÷ this | final losses |\n|---|---|---|---|---|---|---|---|---|---|"
)


def jobs(kind: str, snapshot: Path, rows: Path, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the work of one job per beta, whose reference is ``kind``."""
    settings = {"batch_size": chosen.batch, "epochs": chosen.epochs, "max_length": chosen.max_length}
    changed = {"hardware": {"micro_batch": chosen.batch}, "shared": {"reference_logps": kind}, "lora": LORA}
    return [
        ours(
            job(f"beta-{beta}", snapshot, rows, "dpo", settings={**settings, "beta": beta}, **changed),
            phases=PHASES,
        )
        for beta in chosen.betas
    ]


def added(found: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the seconds of all jobs together."""
    reference = sum(f["phases"].get("reference", 0.0) for f in found)
    steps, whole = (sum(f[key] for f in found) for key in ("seconds", "whole"))
    return {"reference": reference, "steps": steps, "both": reference + steps, "whole": whole}


def row(kind: str, repeats: list[list[dict[str, Any]]], live: dict[str, float]) -> str:
    """Return a row of the table; ``live`` are the medians of what the stored ones replace."""
    sums = [added(found) for found in repeats]
    middle = {key: median(s[key] for s in sums) for key in sums[0]}
    losses = ", ".join(f"{f['losses'][-1]:.4f}" for f in repeats[0])
    return (
        f"| {kind} | {len(repeats[0])} | {sum(f['steps'] for f in repeats[0])} | {middle['reference']:.2f} "
        f"| {middle['steps']:.2f} | {middle['both']:.2f} | {live['both'] / middle['both']:.2f} "
        f"| {middle['whole']:.1f} | {live['whole'] / middle['whole']:.2f} | {losses} |"
    )


def main(arguments: Sequence[str]) -> None:
    """Read the command line, make pairs and a model, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--snapshot", type=Path, help="model folder; one with random weights if not given")
    shape = DEMO["models"]["tiny"]
    parser.add_argument("--hidden", type=int, default=shape["hidden_size"], help="width of the random model")
    parser.add_argument("--layers", type=int, default=shape["layers"], help="its layers")
    parser.add_argument("--betas", type=float, nargs="+", default=[0.05, 0.1, 0.5])
    parser.add_argument("--rows", type=int, default=640, help="pairs")
    parser.add_argument("--longest", type=int, default=120, help="words of a completion")
    parser.add_argument("--max-length", type=int, default=256, help="tokens of a row; all must fit")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args(arguments)
    seen: dict[str, list[list[dict[str, Any]]]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = {
            "hidden_size": chosen.hidden,
            "intermediate_size": 3 * chosen.hidden,
            "layers": chosen.layers,
        }
        snapshot = snapshot_in(folder, chosen.snapshot, **sizes)
        rows = write_rows(folder / "rows", chosen.rows, chosen.longest)
        for repeat in range(chosen.repeats):
            for kind, repeats in seen.items():
                own = folder / f"{repeat}-{kind}"  # an empty store
                own.mkdir()
                repeats.append([run(work, own) for work in jobs(kind, snapshot, rows, chosen)])
                print(repeat, kind, added(repeats[-1]), file=sys.stderr)
    print(
        headline("cpu"),
        f"betas {chosen.betas}, {chosen.epochs} epochs, medians of {chosen.repeats}\n",
        sep="; ",
    )
    print(HEAD)
    sums = [added(found) for found in seen["live"]]
    live = {key: median(s[key] for s in sums) for key in sums[0]}
    print(*(row(kind, repeats, live) for kind, repeats in seen.items()), sep="\n")
    worst = max(
        apart(first["losses"], second["losses"])
        for first, second in zip(*(repeats[0] for repeats in seen.values()), strict=True)
    )
    print(f"\nlargest difference of a loss, as a share of it: {worst:.1e}")
    if not worst <= TOLERANCE:
        raise SystemExit(f"losses differ by more than {TOLERANCE:g}")


if __name__ == "__main__":
    main(sys.argv[1:])
