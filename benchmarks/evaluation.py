"""Evaluation of several adapters against lm-evaluation-harness' own command, on a CPU.

``python benchmarks/evaluation.py RESULTS``, with the results of a finished demo, scores six of its adapters
on three tasks: ours as the rule ``evaluate`` does, a process for each task in which the base is loaded once,
and ``lm_eval run`` once for each adapter with all tasks. It fails unless all scores agree within 10⁻⁶.
``--piqa FOLDER`` scores as many goals as PIQA's validation split has: ours with one adapter and with all,
the command with one, whose time is multiplied for all. The folder holds PIQA's own files, or the first rows
of them, which are then asked again under a number.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import yaml  # noqa: E402

from benchmarks.harness_command import (  # noqa: E402
    command,
    environment,
    found,
    scored_by_command,
    write_tasks,
)
from benchmarks.machine import headline  # noqa: E402

DEMO = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
TASKS = {  # definition → dataset of the demo
    "piqa/piqa_goals": "goals",
    "logicbench/logicbench_bqa": "logic",
    "puzzlebench/puzzlebench": "puzzles",
}
GOALS = "piqa/piqa_goals"
PIQA = 1838  # rows of PIQA's validation split
TOLERANCE = 1e-6
FILES = ("adapter_model.safetensors", "adapter_config.json")
OURS = (
    "import json, sys; from workflow.lib.logs import capture; from workflow.scripts.evaluate import main;"
    "capture(sys.argv[2]); main(**json.load(open(sys.argv[1])))"
)
HEAD = (
    "| side | processes | adapters | tasks | wall, s | processor, s | peak, MiB "
    "| `lm_eval` ÷ this, wall | processor |"
)


@dataclass(frozen=True)
class Cost:
    """What one process, or several in turn, took."""

    wall: float  # seconds
    processor: float  # seconds
    peak: float  # MiB, of the largest

    def __add__(self, other: "Cost") -> "Cost":
        """Return what both took, one after the other."""
        return Cost(self.wall + other.wall, self.processor + other.processor, max(self.peak, other.peak))

    def times(self, count: float) -> "Cost":
        """Return what as many of these would take, one after the other."""
        return Cost(self.wall * count, self.processor * count, self.peak)


NOTHING = Cost(0.0, 0.0, 0.0)


def timed(told: Sequence[str], folder: Path) -> Cost:
    """Run a command in ``folder`` and return what it took."""
    log = folder / "log.txt"
    begun = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(told, cwd=folder, env=environment(folder), stdout=out, stderr=out)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{told[1:4]} failed:\n{log.read_text()[-3000:]}")
    return Cost(time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def job(
    results: Path, folder: Path, adapters: Sequence[Path], definition: str, tokens: int
) -> dict[str, Any]:
    """Return what the rule ``evaluate`` hands to its script, with outputs in ``folder``."""
    path, name = ROOT / f"workflow/tasks/{definition}.yaml", Path(definition).name
    files = {
        suffix: [str(folder / f"{a.parent.name}-{a.name}-{name}.{suffix}") for a in adapters]
        for suffix in ("json", "parquet")
    }
    return {
        **{
            "problems": str(folder / f"{name}.problems.parquet"),
            "prompt": str(ROOT / "config/prompts/cot.j2"),
        },
        "definition": [str(path), *map(str, sorted(path.parent.glob("*.py")))],
        "adapters": [str(folder / file) for folder in adapters for file in FILES],
        "manifest": str(results / "models/tiny/manifest.json"),
        "snapshot": str(results / "models/tiny/snapshot"),
        **{"scores": files["json"], "samples": files["parquet"]},
        "settings": {"metric": "accuracy", "max_new_tokens": tokens},
        **{"seed": 1234, "backend": {"kind": "transformers"}, "hardware": DEMO["hardware"]},
        "policies": list(dict.fromkeys(folder.parent.name for folder in adapters)),
        "seeds": sorted({int(folder.name.removeprefix("seed-")) for folder in adapters}),
        **{"dataset": "toy", "model": "tiny", "task": name, "code": "code", "store": str(folder / "store")},
    }


def write_problems(results: Path, folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Write the problems of each task; return the rows for the command by definition."""
    from workflow.lib.datasets.raw import Source
    from workflow.lib.datasets.registry import ADAPTERS
    from workflow.lib.parquet import write_parquet
    from workflow.lib.prompts import PromptFile
    from workflow.lib.records import Problem, load, table
    from workflow.lib.scoring import documents

    if chosen.piqa:
        source, adapter = Source(chosen.piqa, "piqa", "piqa", {}, None), ADAPTERS["piqa"]
        known = [p for row in adapter.rows(source) for p in adapter.records(row, source)]
        again = islice(enumerate(cycle(p for p in known if isinstance(p, Problem))), chosen.rows)
        problems = {GOALS: [replace(p, problem_id=f"p{i}", question=f"{i}. {p.question}") for i, p in again]}
    else:
        kept = {d: load(results / f"data/{dataset}/test.parquet", Problem) for d, dataset in TASKS.items()}
        problems = {definition: list(islice(rows, chosen.rows)) for definition, rows in kept.items()}
    for definition, rows in problems.items():
        write_parquet(folder / f"{Path(definition).name}.problems.parquet", table(rows, Problem))
    prompt = PromptFile(ROOT / "config/prompts/cot.j2")
    return {definition: documents(rows, prompt) for definition, rows in problems.items()}


def compare(theirs: Mapping[str, Any], ours: Mapping[str, Any], about: str) -> int:
    """Return how many scores of a task are the same; fail if one is not."""
    scores = {k: v for k, v in theirs.items() if k.endswith(",none") and "stderr" not in k}
    for name, value in scores.items():
        if not abs(value - ours[name]) <= TOLERANCE:
            raise SystemExit(f"{about}: {name} is {value} by lm_eval, {ours[name]} by ours")
    return len(scores)


def theirs(
    results: Path, folder: Path, adapters: Sequence[Path], rows: Mapping[str, Any], tokens: int
) -> Cost:
    """Return what the command takes, a process for each adapter."""
    write_tasks(folder, rows, tokens)
    names, batch = [Path(definition).name for definition in rows], DEMO["hardware"]["evaluation_batch"]
    cost = NOTHING
    for adapter in adapters:
        told = command(folder, results / "models/tiny/snapshot", adapter, names, batch=batch, chat=True)
        cost += timed(told, folder)
    return cost


def ours(
    results: Path, folder: Path, adapters: Sequence[Path], rows: Mapping[str, Any], tokens: int
) -> tuple[Cost, int]:
    """Return what ours takes, a process for each task, and how many of the command's scores are the same."""
    cost, same = NOTHING, 0
    for definition in rows:
        name = Path(definition).name
        given = job(results, folder, adapters, definition, tokens)
        described = folder / f"{name}.job.json"
        described.write_text(json.dumps(given))
        cost += timed([sys.executable, "-c", OURS, str(described), str(folder / f"{name}.log")], folder)
        for adapter, path in zip(adapters, given["scores"], strict=True):
            if scored_by_command(folder, adapter):
                told = json.loads(Path(path).read_text())["results"][name]
                same += compare(found(folder, adapter)[name], told, f"{adapter}, {name}")
    shutil.rmtree(folder / "store")
    return cost, same


def line(side: str, processes: int, adapters: int, tasks: int, cost: Cost, against: Cost) -> str:
    """Return a row of the table; ``against`` is what the command takes for as many adapters."""
    return (
        f"| {side} | {processes} | {adapters} | {tasks} | {cost.wall:.1f} | {cost.processor:.1f} "
        f"| {cost.peak:,.0f} | {against.wall / cost.wall:.2f} | {against.processor / cost.processor:.2f} |"
    )


def main(arguments: Sequence[str]) -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="of a finished demo")
    parser.add_argument("--adapters", type=int, default=6)
    parser.add_argument("--rows", type=int, help="problems of each task; all of the demo's, or PIQA's number")
    parser.add_argument("--tokens", type=int, default=64, help="longest generated answer")
    parser.add_argument("--piqa", type=Path, help="folder of PIQA's files: one task of its size, not three")
    chosen = parser.parse_args(arguments)
    chosen.rows = chosen.rows or (PIQA if chosen.piqa else None)
    results = chosen.results.resolve()
    folders = sorted((results / "adapters/logic/tiny").glob("*/seed-*"))
    trained = [folder for folder in folders if not folder.parent.name.startswith("reward")]
    asked = trained[: 1 if chosen.piqa else chosen.adapters]
    print(headline("cpu", ("lm_eval", "torch", "transformers", "peft")), "\n", HEAD, sep="\n")
    print(f"|{'---|' * 9}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = write_problems(results, folder, chosen)
        by_command = theirs(results, folder, asked, rows, chosen.tokens)
        print(line("`lm_eval run`", len(asked), len(asked), len(rows), by_command, by_command))
        for count in sorted({len(asked), chosen.adapters}):
            cost, same = ours(results, folder, trained[:count], rows, chosen.tokens)
            as_many = by_command.times(count / len(asked))
            print(line("ours", len(rows), count, len(rows), cost, as_many))
            print(f"{same} scores the same", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
