"""How long the report of a large study takes, from scored answers to a page that a browser shows.

``python benchmarks/report.py results`` makes a study of eleven policies, three seeds and four tasks out of
the finished demo in ``results``: every answer is one that some policy of the demo gave to the same problem,
with more words. Snakemake then runs all rules of rules/analysis.smk and rules/report.smk on it, and Chromium
opens the page. Prints Markdown: seconds and memory of each job as Snakemake measured them, times of the page.
"""

import argparse
import csv
import http.server
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

from benchmarks.machine import headline  # noqa: E402
from workflow.lib.parquet import read_parquet, write_parquet  # noqa: E402
from workflow.lib.records import Sample, load, table  # noqa: E402

MORE = {"sft-b": "sft", "dpo-b": "dpo", "dpo-c": "dpo", "orpo-b": "orpo", "orpo-c": "orpo", "ppo-b": "ppo"}
SEEDS = [1, 2, 3]
RESAMPLES = 10_000  # as in the studies that ship
WORDS = 60  # put before each text: the demo's are short
VOCABULARY = 4_000
PLACE = "logic/tiny"  # dataset and model of the demo
ADAPTER = ["adapter_config.json", "adapter_model.safetensors"]
KEPT = ["data", "models", "preferences", "prompts", "rationales", "raw"]
PROBE = """<!DOCTYPE html><link rel="icon" href="data:,"><body><script>
const frame = document.createElement('iframe'), started = performance.now();
frame.style = 'width:1180px;height:900px';
const since = () => Math.round(performance.now() - started);
const painted = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));
frame.onload = async () => {
  const view = frame.contentWindow, output = view.document.querySelector('output');
  const loaded = since();
  await painted();
  const shown = since();
  view.location.hash = 'samples?right=dpo&wrong=base';
  while (!output.textContent.includes('match')) await painted();
  const told = {loaded, shown, searched: since() - shown, said: output.textContent};
  fetch('told?' + encodeURIComponent(JSON.stringify(told)));
};
frame.src = 'report.html';
document.body.append(frame);
</script>"""


def relabelled(source: Path, target: Path, **columns: Any) -> None:
    """Copy a Parquet file with other values in some columns."""
    rows = read_parquet(source)
    for name, value in columns.items():
        kind = rows.schema.field(name).type
        column = pa.array([value] * rows.num_rows, kind)
        rows = rows.set_column(rows.column_names.index(name), rows.schema.field(name), column)
    write_parquet(target, rows)


def origin(seed: int) -> int:
    """Return the seed of the demo that a seed is made of."""
    return (seed - 1) % 2 + 1


def copy_runs(demo: Path, study: Path) -> int:
    """Write run and curves of every method and seed, and the pairs of the reward model; return the runs."""
    names = {path.name: path.name for path in (demo / f"adapters/{PLACE}").iterdir()} | MORE
    for (method, source), seed in ((item, seed) for item in names.items() for seed in SEEDS):
        old = demo / f"adapters/{PLACE}/{source}/seed-{origin(seed)}"
        new = study / f"adapters/{PLACE}/{method}/seed-{seed}"
        new.mkdir(parents=True)
        run = json.loads((old / "run.json").read_text())
        (new / "run.json").write_text(json.dumps(run | {"method": method, "seed": seed}))
        for name in ADAPTER:
            shutil.copyfile(old / name, new / name)
        relabelled(old / "curves.parquet", new / "curves.parquet", method=method, seed=seed)
        for pairs in (demo / f"evaluation/{PLACE}/{source}/seed-{origin(seed)}").glob("*.parquet"):
            if method == "reward":
                relabelled(pairs, study / f"evaluation/{PLACE}/reward/seed-{seed}/{pairs.name}", seed=seed)
    return len(names) * len(SEEDS)


def write_samples(demo: Path, study: Path) -> int:
    """Write answers of every policy and seed to every task, each drawn from those of the demo."""
    rng, written = random.Random(3), 0
    words = [f"w{number:x}" for number in range(VOCABULARY)]
    policies = ["base", "sft", "dpo", "orpo", "ppo", *MORE]
    for task in sorted(path.stem for path in (demo / f"evaluation/{PLACE}/base/seed-1").glob("*.parquet")):
        given: dict[tuple[str, int], list[Sample]] = defaultdict(list)
        for path in sorted((demo / f"evaluation/{PLACE}").glob(f"*/seed-*/{task}.parquet")):
            if path.parts[-3] != "reward":
                for sample in load(path, Sample):
                    given[sample.problem_id, sample.repeat].append(sample)
        for method, seed in ((method, seed) for method in policies for seed in SEEDS):
            drawn = [rng.choice(some) for some in given.values()]
            rows = [
                replace(s, method=method, seed=seed, text=" ".join([*rng.choices(words, k=WORDS), s.text]))
                for s in drawn
            ]
            folder = study / f"evaluation/{PLACE}/{method}/seed-{seed}"
            write_parquet(folder / f"{task}.parquet", table(rows, Sample))
            score = demo / f"evaluation/{PLACE}/base/seed-{origin(seed)}/{task}.json"
            shutil.copyfile(score, folder / f"{task}.json")
            written += len(rows)
    return written


def write_study(demo: Path, folder: Path) -> tuple[int, int]:
    """Write everything that the report of the large study reads; return its rows and runs."""
    study = folder / "results"
    for name in KEPT:
        shutil.copytree(demo / name, study / name)
    config = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    config["methods"] |= {name: deepcopy(config["methods"][source]) for name, source in MORE.items()}
    config["seeds"] = SEEDS
    config["evaluation"] |= {"noise_floor": None, "scorers": {}}  # they would take a model
    for task in config["evaluation"]["tasks"].values():
        task["scorers"] = []
    config["analysis"]["resamples"] = RESAMPLES
    (folder / "study.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    runs = copy_runs(demo, study)
    return write_samples(demo, study), runs


def make(folder: Path, cores: int) -> float:
    """Run all rules of analysis and report and return the seconds of the command."""
    text = "".join((ROOT / f"rules/{name}.smk").read_text() for name in ("analysis", "report"))
    rules = re.findall(r"^rule (\w+):", text, re.MULTILINE)
    command = [shutil.which("snakemake"), "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(folder / "study.yaml"), "--cores", str(cores), "--quiet", "all"]
    begun = time.perf_counter()
    subprocess.run([*command, "--allowed-rules", "all", *rules, "--", "all"], check=True)
    return time.perf_counter() - begun


def measured(folder: Path) -> list[tuple[str, float, float, float]]:
    """Return seconds, seconds of a CPU and peak memory, MiB, of every job as Snakemake measured them."""
    benchmarks = folder / "results/benchmarks"
    found = []
    for path in sorted(benchmarks.rglob("*.tsv")):
        with path.open() as stream:
            (line,) = csv.DictReader(stream, delimiter="\t")
        job = " ".join(path.relative_to(benchmarks).with_suffix("").parts)
        found.append((job, float(line["s"]), float(line["cpu_time"]), float(line["max_rss"])))
    return found


def opened(results: Path) -> dict[str, Any]:
    """Return the milliseconds until Chromium has loaded and shown the page and until it has searched it."""
    told: list[dict[str, Any]] = []
    done = threading.Event()
    (results / "probe.html").write_text(PROBE)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(results))

        def do_GET(self) -> None:
            super().do_GET()
            if self.path.startswith("/told?"):
                told.append(json.loads(unquote(self.path.split("?", 1)[1])))
                done.set()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        options += ["--remote-debugging-port=0", f"http://127.0.0.1:{server.server_port}/probe.html"]
        browser = subprocess.Popen(["chromium", *options], stderr=subprocess.DEVNULL)
        finished = done.wait(timeout=120)
        browser.terminate()
        browser.wait()
    server.shutdown()
    if not finished:
        raise SystemExit("Chromium did not tell of the page within two minutes")
    return told[0]


def main() -> None:
    """Make the study, its report, and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path, help="results of the finished demo")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--openings", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, runs = write_study(chosen.demo, folder)
        seconds = make(folder, chosen.cores)
        print(headline("cpu", ("matplotlib", "numpy", "pyarrow")) + f", {rows:,} rows, {runs} runs\n")
        jobs = measured(folder)
        print("| job | s | s of a CPU | peak memory, MiB |\n|---|---|---|---|")
        for job, taken, used, peak in sorted(jobs, key=lambda line: -line[2]):
            print(f"| {job} | {taken:.1f} | {used:.1f} | {peak:,.0f} |")
        most, used = max(line[3] for line in jobs), sum(line[2] for line in jobs)
        told = f"{seconds:.1f} s, {used:.1f} s of a CPU in all jobs; {most:,.0f} MiB at most."
        print(f"\nAll on {chosen.cores} cores: {told}")
        results = folder / "results"
        print(f"The page: {(results / 'report.html').stat().st_size:,} bytes.\n")
        print("| opening | loaded, ms | shown, ms | first search, ms | |\n|---|---|---|---|---|")
        for number in range(1, chosen.openings + 1):
            t = opened(results)
            print(f"| {number} | {t['loaded']} | {t['shown']} | {t['searched']} | {t['said']} |")


if __name__ == "__main__":
    main()
