"""SFT and DPO of ours against TRL's command-line scripts: the same model, rows, LoRA, batches and steps.

``python benchmarks/training_against_trl.py`` runs the workflow's ``train_sft.py`` and ``train_dpo.py`` as the
rule ``train`` does, and ``trl/scripts/sft.py`` and ``dpo.py`` of the TRL that is installed, in turns, each
time in a process of its own with one thread, and prints a row for each, medians over the repeats.

TRL reads our export of the rows (``trl/conversational``) and renders and tokenises them itself. Both sides
begin with the same adapter and see the same rows in the same steps, so the losses of all steps must agree
within ``TOLERANCE``; the script fails where they do not, or where the tokens differ. Where a step has four
passes, ours puts rows of one length into one pass. Packed rows share sequences: other steps, on both sides
the same.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import headline
from benchmarks.training_jobs import DEMO, apart, job, ours, run, snapshot_in, write_rows

TOLERANCE = 1e-3  # largest difference of a loss, as a share of it; rounding: the order of rows in a batch
HEAD = (
    "| training | side | steps | tokens | padding | in steps, s | tokens/s | ÷ TRL's | whole process, s "
    "| peak memory, MiB | final loss |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def theirs(name: str, kind: str, rows: Path, given: dict[str, Any], *more: str) -> dict[str, Any]:
    """Return the work that runs TRL's script ``kind`` with the settings of our job ``given``."""
    settings, lora, hardware = given["settings"], given["lora"], given["hardware"]
    options = {
        "model_name_or_path": given["snapshot"],
        "dataset_name": rows / "trl" / settings["learns_from"],
        "output_dir": name,
        "seed": given["seed"],
        "data_seed": given["seed"],
        "num_train_epochs": settings["epochs"],
        "per_device_train_batch_size": hardware["micro_batch"],
        "gradient_accumulation_steps": settings["batch_size"] // hardware["micro_batch"],
        "learning_rate": settings["learning_rate"],
        "lr_scheduler_type": "linear",
        "max_length": settings["max_length"],
        "dtype": hardware["precision"],
        "attn_implementation": hardware["attention"],
        **{"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "dataloader_pin_memory": False},
        **{"logging_steps": 1, "save_strategy": "no", "report_to": "none", "disable_tqdm": True},
        **{
            "use_peft": True,
            "lora_r": lora["r"],
            "lora_alpha": lora["alpha"],
            "lora_dropout": lora["dropout"],
        },
        "lora_target_modules": lora["target_modules"],
        **({"loss_type": settings["loss"], "beta": settings["beta"]} if kind == "dpo" else {}),
    }
    arguments = [str(part) for key, value in options.items() for part in (f"--{key}", value)]
    return {"name": name, "module": f"trl.scripts.{kind}", "arguments": [*arguments, *more]}


def pairings(snapshot: Path, rows: Path, chosen: argparse.Namespace) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the trainings, and for each the work of the two sides and their variants; TRL is the first."""
    common = {"batch_size": chosen.batch, "epochs": chosen.epochs, "warmup_fraction": 0.0}
    sft = {**common, "learning_rate": 1.0e-3, "max_length": chosen.max_length}
    dpo = {**common, "learning_rate": 1.0e-4, "max_length": chosen.max_length, "nll_weight": 0.0}
    parts = {"micro_batch": max(1, chosen.batch // 4)}
    hardware = {"hardware": {"micro_batch": chosen.batch}}

    def of(name: str, method: str, **changed: Any) -> dict[str, Any]:
        return job(name, snapshot, rows, method, **changed)

    whole = of("sft", "sft", settings=sft, **hardware)
    parted = of("sft-parted", "sft", settings=sft, hardware=parts)
    packed = of(
        "sft-packed",
        "sft",
        settings={**sft, "packing": True, "batch_size": parts["micro_batch"]},
        hardware=parts,
    )
    pairs = of("dpo", "dpo", settings=dpo, **hardware)
    several = of("dpo-parted", "dpo", settings=dpo, hardware=parts)
    stored = of("dpo-stored", "dpo", settings=dpo, **hardware, shared={"reference_logps": "stored"})
    return {
        "SFT, one pass a step": {"TRL": theirs("trl-sft", "sft", rows, whole), "ours": ours(whole)},
        "SFT, four passes a step": {
            "TRL": theirs("trl-sft-parted", "sft", rows, parted),
            "ours, by length": ours(parted),
        },
        "SFT, packed": {
            "TRL": theirs("trl-sft-packed", "sft", rows, packed, "--packing", "True"),
            "ours": ours(packed),
        },
        "DPO, live reference": {"TRL": theirs("trl-dpo", "dpo", rows, pairs), "ours": ours(pairs)},
        "DPO, four passes a step": {
            "TRL": theirs("trl-dpo-parted", "dpo", rows, several),
            "ours, by length": ours(several),
        },
        "DPO, stored reference": {
            "TRL": theirs("trl-dpo-stored", "dpo", rows, pairs, "--precompute_ref_log_probs", "True"),
            "ours": ours(stored),
        },
    }  # fmt: skip


def differences(sides: dict[str, list[dict[str, Any]]]) -> float:
    """Return the largest relative difference of a loss of ours from TRL's; fail where the sides differ."""
    first, *others = (found[0] for found in sides.values())
    for other in others:
        told = [[found[key] for key in ("steps", "tokens")] for found in (first, other)]
        if told[0] != told[1]:
            raise SystemExit(f"[steps, tokens] differ: TRL's {told[0]}, ours {told[1]}")
    return max(apart(first["losses"], other["losses"]) for other in others)


def row(training: str, side: str, found: list[dict[str, Any]], against: float) -> str:
    """Return a row of the table; ``against`` are TRL's tokens per second."""
    middle = {key: median(f[key] for f in found) for key in ("seconds", "rate", "whole", "peak_mib")}
    tokens, padding = found[0]["tokens"], 1.0 - found[0]["tokens"] / found[0]["places"]
    return (
        f"| {training} | {side} | {found[0]['steps']} | {tokens:,} | {100 * padding:.0f} % "
        f"| {middle['seconds']:.2f} | {middle['rate']:,.0f} | {middle['rate'] / against:.2f} "
        f"| {middle['whole']:.1f} | {middle['peak_mib']:,.0f} | {found[0]['losses'][-1]:.4f} |"
    )


def main(arguments: Sequence[str]) -> None:
    """Read the command line, make rows and a model, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--snapshot", type=Path, help="model folder; one with random weights if not given")
    parser.add_argument("--rows", type=int, default=800, help="rows of each kind")
    parser.add_argument("--longest", type=int, default=120, help="words of a completion")
    parser.add_argument("--max-length", type=int, default=256, help="tokens of a row; all must fit")
    parser.add_argument("--batch", type=int, default=DEMO["methods"]["sft"]["batch_size"])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each side")
    parser.add_argument("--only", default="", help="trainings whose names begin so, as DPO")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snapshot, rows = (
            snapshot_in(folder, chosen.snapshot),
            write_rows(folder / "rows", chosen.rows, chosen.longest),
        )
        works = {t: s for t, s in pairings(snapshot, rows, chosen).items() if t.startswith(chosen.only)}
        seen: dict[str, dict[str, list[dict[str, Any]]]] = {t: {s: [] for s in works[t]} for t in works}
        for repeat in range(chosen.repeats):
            for training, sides in works.items():
                for side, work in sides.items():
                    own = folder / f"{repeat}-{work['name']}"  # a stored reference would be found again
                    own.mkdir()
                    seen[training][side].append(run(work, own))
                    print(
                        repeat, training, side, f"{seen[training][side][-1]['whole']:.1f} s", file=sys.stderr
                    )
    print(headline("cpu"), f"medians of {chosen.repeats}\n", sep="; ")
    print(HEAD)
    for training, sides in seen.items():
        against = median(f["rate"] for f in sides["TRL"])
        print(*(row(training, side, found, against) for side, found in sides.items()), sep="\n")
    worst = {t: differences(s) for t, s in seen.items()}
    told = ", ".join(f"{training} {difference:.1e}" for training, difference in worst.items())
    print(f"\nlargest difference of a loss, as a share of it: {told}")
    if not all(d <= TOLERANCE for d in worst.values()):
        raise SystemExit(f"losses differ by more than {TOLERANCE:g}")


if __name__ == "__main__":
    main(sys.argv[1:])
