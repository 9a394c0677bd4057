"""Evaluation of several adapters against lm-evaluation-harness' own command, on a CPU.

``python benchmarks/evaluation.py RESULTS``, with the results of a finished demo, scores six of its adapters
on three tasks: ours as the rule ``evaluate`` does, a process for each task in which the base is loaded once,
and ``lm_eval run`` once for each adapter with all tasks. It fails unless all scores agree within 10⁻⁶.
Each side has all cores. Ours runs as many processes at a time, of one thread each, as Snakemake does; the
command first six times in turn with as many threads, then as many at a time, of one thread each, too.
``--piqa FOLDER`` scores as many goals as PIQA's validation split has: ours with one adapter and with all,
the command with one, whose time is multiplied for all; all on one core. The folder holds PIQA's own files,
or the first rows of them, which are then asked again under a number.
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import cycle, islice, repeat
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
    "| side | processes | at a time | adapters | tasks | wall, s | processor, s | peak, MiB "
    "| first line ÷ this, wall | processor |"
)


@dataclass(frozen=True)
class Cost:
    """What one process, or several in turn, took."""

    wall: float  # seconds
    processor: float  # seconds
    peak: float  # MiB, of the largest

    def times(self, count: float) -> "Cost":
        """Return what as many of these would take, one after the other."""
        return Cost(self.wall * count, self.processor * count, self.peak)


def timed(told: Sequence[str], folder: Path, log: Path, threads: int) -> Cost:
    """Run a command in ``folder`` and return what it took."""
    begun = time.perf_counter()
    own = environment(folder) | {"OMP_NUM_THREADS": str(threads)}
    with log.open("wb") as out:
        process = subprocess.Popen(told, cwd=folder, env=own, stdout=out, stderr=out)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{told[1:4]} failed:\n{log.read_text()[-3000:]}")
    return Cost(time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def together(commands: Sequence[Sequence[str]], folder: Path, at_a_time: int, threads: int) -> Cost:
    """Run commands, ``at_a_time`` of them side by side; the peak is that of the largest process."""
    logs = [folder / f"process-{number}.txt" for number in range(len(commands))]
    begun = time.perf_counter()
    with ThreadPoolExecutor(at_a_time) as pool:
        costs = list(pool.map(timed, commands, repeat(folder), logs, repeat(threads)))
    wall = time.perf_counter() - begun
    return Cost(wall, sum(cost.processor for cost in costs), max(cost.peak for cost in costs))


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
        **{"scores": files["json"], "samples": files["parquet"], "index": str(folder / f"{name}.index.json")},
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


@dataclass(frozen=True)
class Asked:
    """What both sides are asked."""

    results: Path
    adapters: Sequence[Path]
    rows: Mapping[str, Any]  # for the command, by definition
    tokens: int  # of the longest answer


def theirs(asked: Asked, folder: Path, at_a_time: int, threads: int) -> Cost:
    """Return what the command takes, a process for each adapter."""
    folder.mkdir()
    write_tasks(folder, asked.rows, asked.tokens)
    names, batch = [Path(definition).name for definition in asked.rows], DEMO["hardware"]["evaluation_batch"]
    snapshot = asked.results / "models/tiny/snapshot"
    told = [command(folder, snapshot, adapter, names, batch=batch, chat=True) for adapter in asked.adapters]
    return together(told, folder, at_a_time, threads)


def ours(asked: Asked, folder: Path, scored: Path, at_a_time: int) -> tuple[Cost, int]:
    """Return what ours takes, a process for each task, and how many scores in ``scored`` are the same."""
    jobs = {d: job(asked.results, folder, asked.adapters, d, asked.tokens) for d in asked.rows}
    told = []
    for given in jobs.values():
        described = folder / f"{given['task']}.job.json"
        described.write_text(json.dumps(given))
        told.append([sys.executable, "-c", OURS, str(described), str(folder / f"{given['task']}.log")])
    cost, same = together(told, folder, at_a_time, threads=1), 0
    for given in jobs.values():
        for adapter, path in zip(asked.adapters, given["scores"], strict=True):
            if scored_by_command(scored, adapter):
                result = json.loads(Path(path).read_text())["results"][given["task"]]
                same += compare(found(scored, adapter)[given["task"]], result, f"{adapter}, {given['task']}")
    shutil.rmtree(folder / "store")
    return cost, same


def line(
    side: str, processes: int, at_a_time: int, adapters: int, tasks: int, cost: Cost, against: Cost
) -> str:
    """Return a row of the table; ``against`` is what the command takes for as many adapters."""
    return (
        f"| {side} | {processes} | {at_a_time} | {adapters} | {tasks} "
        f"| {cost.wall:.1f} | {cost.processor:.1f} | {cost.peak:,.0f} "
        f"| {against.wall / cost.wall:.2f} | {against.processor / cost.processor:.2f} |"
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
    results, cores = chosen.results.resolve(), 1 if chosen.piqa else os.cpu_count() or 1
    folders = sorted((results / "adapters/logic/tiny").glob("*/seed-*"))
    trained = [folder for folder in folders if not folder.parent.name.startswith("reward")]
    print(headline("cpu", ("lm_eval", "torch", "transformers", "peft")), "\n", HEAD, sep="\n")
    print(f"|{'---|' * 10}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = write_problems(results, folder, chosen)
        asked = Asked(results, trained[: 1 if chosen.piqa else chosen.adapters], rows, chosen.tokens)
        sizes = len(asked.adapters), len(rows)
        by_command = theirs(asked, folder / "in turn", 1, cores)
        print(line("`lm_eval run`", len(asked.adapters), 1, *sizes, by_command, by_command))
        if cores > 1:
            beside = theirs(asked, folder / "side by side", cores, 1)
            print(line("`lm_eval run`", len(asked.adapters), cores, *sizes, beside, by_command))
        for count in sorted({len(asked.adapters), chosen.adapters}):
            more = replace(asked, adapters=trained[:count])
            cost, same = ours(more, folder, folder / "in turn", cores)
            as_many = by_command.times(count / len(asked.adapters))
            print(line("ours", len(rows), cores, count, len(rows), cost, as_many))
            print(f"{same} scores the same", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
