"""A job of each training method on a tiny model: rows, manifest and the arguments of a script's ``main``."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow.lib.files import read_json, sha256, write_json
from workflow.lib.parquet import rows_of, write_parquet
from workflow.lib.records import Pair, Prompt, SftRow, table

LORA = {
    "r": 4,
    "alpha": 8,
    "dropout": 0.0,
    "target_modules": "all-linear",
    "rank_stabilised": False,
    "dora": False,
}
HARDWARE = {
    "device": "cpu",
    "processes": 1,
    "nodes": 1,
    "deepspeed": "none",
    "precision": "float32",
    "quantisation": "none",
    "attention": "sdpa",
    "micro_batch": 4,
    "gradient_checkpointing": False,
    "rollouts": "transformers",
    "max_model_len": 256,
}
SCHEDULE = {
    "start_from": "base",
    "learning_rate": 1.0e-2,
    "epochs": 1,
    "batch_size": 4,
    "max_length": 64,
    "warmup_fraction": 0.1,
}
SFT = {**SCHEDULE, "learns_from": "sft", "packing": False}
PAIRED = {**SCHEDULE, "learns_from": "pairs"}
REWARD = {**PAIRED, "margin": False, "centring": 0.0}
DPO = {**PAIRED, "loss": "sigmoid", "label_smoothing": 0.0, "beta": 0.1, "nll_weight": 1.0}
ORPO = {**PAIRED, "lambda": 0.1}
KTO = {**PAIRED, "beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0}
SIMPO = {**PAIRED, "beta": 2.0, "gamma": 1.0}
PPO = {
    "learns_from": "prompts",
    "start_from": "base",
    "rewards": [{"kind": "adapter", "weight": 1.0, "method": "reward"}],
    "held_out": None,
    "value": "shared",
    "learning_rate": 1.0e-2,
    "updates": 2,
    "batch_size": 4,
    "epochs_per_batch": 2,
    "max_new_tokens": 8,
    "temperature": 1.0,
    "kl_coefficient": 0.05,
    "kl_estimator": "k1",
    "kl_control": {"kind": "fixed"},
    "clip_range": 0.2,
    "value_clip_range": 0.2,
    "value_weight": 0.1,
    "gamma": 1.0,
    "gae_lambda": 0.95,
    "missing_eos_penalty": 1.0,
    "centre_scores": False,
    "alarms": {
        "most_kl": 50.0,
        "least_entropy": 0.01,
        "least_length": 0.01,
        "most_length": 100.0,
        "most_repetition": 1.0,
    },
}
RLOO = {
    **SCHEDULE,
    "learns_from": "prompts",
    "rewards": PPO["rewards"],
    "held_out": None,
    "group_size": 2,
    "epochs_per_batch": 1,
    "max_new_tokens": 8,
    "temperature": 1.0,
    "beta": 0.05,
    "clip_range": 0.2,
    "missing_eos_penalty": 1.0,
}
GRPO = {**RLOO, "loss": "grpo"}
SHARED = {"budget": None, "share": 1.0, "reference_logps": "live", "trackers": []}  # as in the demo
NAMES = ("adapter", "settings", "tokenizer", "card", "curves", "run")
FILES = (
    "adapter_model.safetensors",
    "adapter_config.json",
    "tokenizer.json",
    "README.md",
    "curves.parquet",
    "run.json",
)
ROWS = 12  # of the split "train"; as many again are "dev" and must not be trained on


def write_rows(folder: Path, kind: type, count: int = ROWS) -> str:
    """Write ``count`` rows of ``kind`` for each of train and dev; return the path."""
    path = folder / f"{kind.__name__}.parquet"
    write_parquet(
        path, table([_row(kind, split, i) for split in ("train", "dev") for i in range(count)], kind)
    )
    return str(path)


def _row(kind: type, split: str, i: int) -> SftRow | Pair | Prompt:
    shared = {
        "row_id": f"{split}-{i}",
        "problem_id": f"p{i}",
        "group_id": f"g{i}",
        "split": split,
        "category": "propositional",
        "prompt": f"Is {i} odd?",
    }
    good, bad = ("yes", "no") if i % 2 else ("no", "yes")
    if kind is SftRow:
        return SftRow(**shared, completion=f"It is {good}.")
    if kind is Pair:
        return Pair(**shared, chosen=f"It is {good}.", rejected=f"Maybe {bad}, so {bad}.", margin=None)
    return Prompt(**shared, choices=["yes", "no"], answer=good, verifier="gold", instance="")


def job(
    folder: Path,
    snapshot: Path,
    method: str,
    settings: Mapping[str, Any],
    rows: str,
    *,
    seed: int = 1,
    start: Sequence[str] = (),
    reward: Sequence[str] = (),
    judges: Sequence[str] = (),
    choice: Sequence[str] = (),
    hardware: Mapping[str, Any] = HARDWARE,
    shared: Mapping[str, Any] = SHARED,
) -> dict[str, Any]:
    """Return the arguments of a training script's ``main`` that writes to ``folder``."""
    manifest = folder.parent / "manifest.json"
    write_json(
        manifest, {"kind": "local", "repo": None, "path": "tiny", "revision": None, "digest": "d" * 64}
    )
    return {
        "rows": rows,
        "start": list(start),
        "reward": list(reward),
        "judges": list(judges),
        "choice": list(choice),
        "manifest": str(manifest),
        "snapshot": str(snapshot),
        "outputs": {name: str(folder / file) for name, file in zip(NAMES, FILES, strict=True)},
        "settings": dict(settings),
        "lora": LORA,
        "hardware": dict(hardware),
        "shared": {**SHARED, **shared},
        "dataset": "toy",
        "model": "tiny",
        "method": method,
        "seed": seed,
        "threads": 1,
    }


def parent(folder: Path) -> list[str]:
    """Return what a script gets as ``start`` or ``reward`` for the adapter in ``folder``."""
    return [str(folder / "adapter_model.safetensors"), str(folder / "adapter_config.json")]


def digests(folder: Path) -> dict[str, str]:
    """Return the digests of the files that the same seed must reproduce."""
    return {file: sha256(folder / file) for file in FILES if file != "run.json"}


def reruns(main: Callable[..., None], jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Run ``main`` on each of ``jobs``; return what ``digests`` finds in their folders."""
    for given in jobs:
        main(**given)
    return [digests(Path(given["outputs"]["adapter"]).parent) for given in jobs]


def check_complete(given: Mapping[str, Any], steps: int, quantities: set[str], rows: int = ROWS) -> None:
    """Assert that a training wrote whole and consistent outputs and left no checkpoints."""
    for path in given["outputs"].values():
        assert Path(path).stat().st_size > 0, path
    run = read_json(given["outputs"]["run"])
    assert run["steps"] == steps
    assert run["rows"] == rows and run["rows_dropped"] == 0
    assert run["tokens"] > 0 and run["seconds_total"] > run["seconds_training"] > 0
    assert run["energy_kwh"] is None and run["gpu_hours"] == 0.0 and run["peak_rss_mib"] > 100
    curves = rows_of(given["outputs"]["curves"])
    assert {row["quantity"] for row in curves} >= quantities
    assert all(math.isfinite(row["value"]) for row in curves)
    assert {(r["dataset"], r["model"], r["method"], r["seed"]) for r in curves} == {
        ("toy", "tiny", given["method"], given["seed"])
    }
    final = {row["quantity"]: row["value"] for row in curves}
    assert final == run["final"]
    config = read_json(given["outputs"]["settings"])
    assert config["base_model_name_or_path"] == "tiny" and config["r"] == LORA["r"]
    folder = Path(given["outputs"]["adapter"]).parent
    assert "chat_template" in read_json(folder / "tokenizer_config.json")
    assert not [path for path in folder.iterdir() if path.is_dir() or path.suffix in (".bin", ".pt")]
    assert not list(Path("work").rglob("checkpoint-*"))


def series(given: Mapping[str, Any], quantity: str) -> list[float]:
    """Return the curve of a quantity that a job wrote."""
    return [row["value"] for row in rows_of(given["outputs"]["curves"]) if row["quantity"] == quantity]
