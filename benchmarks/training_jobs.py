"""Trainings for the benchmarks: rows, a model, and jobs of the workflow, each in a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import yaml  # noqa: E402

DEMO = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
ENVIRONMENT = {  # as in rules/common.smk
    **{"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"},
    **{"TRL_EXPERIMENTAL_SILENCE": "1", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"},
}
OUTPUTS = {
    "adapter": "adapter_model.safetensors",
    "settings": "adapter_config.json",
    **{"tokenizer": "tokenizer.json", "card": "README.md", "curves": "curves.parquet", "run": "run.json"},
}
WORDS = ("if", "then", "not", "and", "or", "all", "some", "no", "every", "cat", "dog", "bird", "is", "wet")
SEED = 20260


def apart(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the largest difference of two trainings' losses, as a share of the first's (0.1 at least)."""
    return max(abs(a - b) / max(abs(a), 0.1) for a, b in zip(ours, theirs, strict=True))


def snapshot_in(folder: Path, chosen: Path | None, **sizes: int) -> Path:
    """Return the folder ``chosen``, or a new random model of the demo's shape but for ``sizes``."""
    if chosen is None:
        from benchmarks.throughput import write_model

        write_model(folder / "model", **sizes)
    return (chosen or folder / "model").resolve()


def write_rows(folder: Path, count: int, longest: int) -> Path:
    """Write rows of each kind as Parquet, and as TRL reads them below ``trl``; return ``folder``.

    The lengths are log-normal with a median of a sixth of ``longest``: as among real answers, a few are many
    times as long as most.

    Args:
        folder: Gets the files.
        count: Rows of each kind, all of the split "train".
        longest: Words of a completion.
    """
    from workflow.lib.exports import FORMATS
    from workflow.lib.files import write_json, write_jsonl
    from workflow.lib.parquet import write_parquet
    from workflow.lib.records import Pair, Prompt, SftRow, table

    draw = Random(SEED)

    def text(skew: float) -> str:
        words = min(longest, max(2, round(longest / 6 * draw.lognormvariate(0.0, 0.6))))
        weights = [(1.0 + i) ** -skew for i in range(len(WORDS))]
        return " ".join(draw.choices(WORDS, weights, k=words)) + "."

    kinds: dict[str, list[Any]] = {"sft": [], "pairs": [], "prompts": []}
    for i in range(count):
        ids = {
            "row_id": f"r{i}",
            "problem_id": f"p{i}",
            "group_id": f"g{i}",
            "split": "train",
            "category": "toy",
        }
        row, good = {**ids, "prompt": f"Is it so that {draw.choice(WORDS)} {i}?"}, text(0.7)
        kinds["sft"].append(SftRow(**row, completion=good))
        kinds["pairs"].append(Pair(**row, chosen=good, rejected=f"No, {text(0.3)}", margin=None))
        answer = {"choices": ["yes", "no"], "answer": "yes", "verifier": "gold", "instance": ""}
        kinds["prompts"].append(Prompt(**row, **answer))
    write_json(
        folder / "manifest.json",
        {"kind": "local", "repo": None, "path": "tiny", "revision": None, "digest": "d" * 64},
    )
    for (name, rows), kind in zip(kinds.items(), (SftRow, Pair, Prompt), strict=True):
        write_parquet(folder / f"{name}.parquet", table(rows, kind))
        export = FORMATS[name][f"trl/conversational/{name}"]
        write_jsonl(folder / "trl" / name / "train.jsonl", map(export, rows))
    return folder


def job(
    name: str, snapshot: Path, rows: Path, method: str, *, given: Mapping[str, Sequence[str]] | None = None,
    **changed: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Return what the rule ``train`` hands to the script of ``method``: the demo's, but for ``changed``.

    Args:
        name: Folder of the outputs, in the folder that the job runs in.
        snapshot: Of the model.
        rows: Folder of ``write_rows``.
        method: Key of the demo's methods.
        given: ``start`` and ``reward``: files of adapters.
        changed: Keys of ``settings``, ``lora``, ``hardware`` and ``shared`` with other values.
    """
    shared = {key: DEMO["train"][key] for key in ("budget", "reference_logps", "trackers")} | {"share": 1.0}
    settings, lora, hardware = DEMO["methods"][method], DEMO["lora"], DEMO["hardware"]
    sections = {"settings": settings, "lora": lora, "hardware": hardware, "shared": shared}
    return {
        **{"start": [], "reward": [], "judges": [], "choice": [], **(given or {})},
        **{key: {**section, **changed.get(key, {})} for key, section in sections.items()},
        **{"rows": str(rows / f"{settings['learns_from']}.parquet"), "snapshot": str(snapshot)},
        **{"manifest": str(rows / "manifest.json"), "threads": 1, "seed": 1},
        **{"dataset": "toy", "model": "tiny", "method": method},
        "outputs": {key: f"{name}/{file}" for key, file in OUTPUTS.items()},
    }


def ours(given: dict[str, Any], **rest: Any) -> dict[str, Any]:
    """Return the work that runs the workflow's script on the job ``given``."""
    module = f"workflow.scripts.train_{given['method']}"
    return {"name": Path(given["outputs"]["run"]).parent.name, "module": module, "job": given, **rest}


def adapter(folder: Path) -> list[str]:
    """Return what ``start`` and ``reward`` of a job are for the adapter in ``folder``."""
    return [str(folder / OUTPUTS[key]) for key in ("adapter", "settings")]


def run(work: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Do ``work`` in a process of its own within ``folder``; return what it found, and what it took."""
    described, log = folder / f"{work['name']}.json", folder / f"{work['name']}.log"
    cache = {"HF_DATASETS_CACHE": str(folder / "cache" / work["name"]), "OMP_NUM_THREADS": "1"}
    began = time.time()
    described.write_text(json.dumps({**work, "began": began}))
    with log.open("wb") as told:
        command = [sys.executable, str(ROOT / "benchmarks/watch.py"), described.name]
        environment = {**os.environ, **ENVIRONMENT, **cache}
        done = subprocess.run(command, stdout=told, stderr=told, cwd=folder, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{work['name']} failed:\n{log.read_text()[-3000:]}")
    found: dict[str, Any] = json.loads(described.with_suffix(".found.json").read_text())
    ended = time.time()
    return {**found, "whole": ended - began, "exit": ended - found["ended"]}
