"""A small study in a clone, and drivers that run parts of it through the profile that ships."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.slurm.cluster import Cluster, cluster
from tests.studies import SNAKEMAKE, Study, clone_with, demo_config, smaller
from tests.training import write_rows
from workflow.lib.records import SftRow

SITE = {
    "account": None,
    "status_command": "squeue",
    "poll_seconds": 2,
    "most_mem_mb": 160000,
    "most_runtime": 1440,
    "partitions": {
        "short": {"max_runtime": 120, "max_mem_mb": 200000, "max_threads": 32},
        "long": {"max_runtime": 1440, "max_mem_mb": 200000, "max_threads": 32},
        "gpu": {"max_runtime": 1440, "max_mem_mb": 200000, "max_threads": 32, "max_gpu": 2},
    },
}
ADAPTER = "results/adapters/logic/tiny/sft/seed-1"
STEPS = 1500  # 12 rows, 4 at a time, 500 epochs: seconds on any machine, time to be stopped in
RULES = ("fetch_model", "generate_dataset", "normalise_dataset", "train", "plot", "sample_rationales")
PATIENCE = 300.0  # seconds; a busy machine is no failure


def write_study(folder: Path, snapshot: Path, **hardware: object) -> Study:
    """Return a clone whose one base model and whose SFT rows are there before its datasets."""
    study = smaller(demo_config(), snapshot)
    study["seeds"] = [1]
    study["methods"]["sft"] |= {"epochs": 500, "batch_size": 4, "max_length": 64}
    study["hardware"] |= {"micro_batch": 4, **hardware}
    made = clone_with(folder / "clone", study)
    write_site(made)
    rows = made.root / "results/preferences/logic/sft.parquet"
    rows.parent.mkdir(parents=True)
    Path(write_rows(folder, SftRow)).rename(rows)
    return made


def write_site(study: Study) -> None:
    """Put what is particular to the cluster of the tests where the profile that ships looks for it."""
    (study.root / "slurm/site.yaml").write_text(yaml.safe_dump(SITE))


def run_whole(study: Study) -> list[dict[str, str]]:
    """Run a study by the profile that ships, on a cluster of its own; return SLURM's records of its jobs."""
    write_site(study)
    with cluster(2 * (os.cpu_count() or 1)) as slurm:  # not all at once on a small machine
        study.run(profile="slurm", path=slurm.path)
        return slurm.jobs()


@contextmanager
def driving(study: Study, path: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a driver in the background; what it says goes to ``driver.log`` beside the clone.

    Only ``RULES`` take part: what others would make is there, or not asked for.
    """
    command = [str(SNAKEMAKE), "--profile", "slurm", "--configfile", *study.configfiles]
    with (study.root.parent / "driver.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--allowed-rules", *RULES, *options],
            cwd=study.root,
            stdout=log,
            stderr=log,
            text=True,
            env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
            preexec_fn=heed_interrupts,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def heed_interrupts() -> None:
    """Take SIGINT as from a keyboard: a shell lets what it starts in the background ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupted(driver: subprocess.Popen[str]) -> int:
    """Press Ctrl-C until the driver ends: it may be deaf while it submits or asks; return its exit code."""
    for _ in range(int(PATIENCE / 30)):
        driver.send_signal(signal.SIGINT)
        try:
            return driver.wait(30)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("the driver does not end on SIGINT")


def said(study: Study) -> str:
    """Return what the last driver said."""
    return (study.root.parent / "driver.log").read_text()


def until(holds: Callable[[], object], what: str, study: Study) -> None:
    """Wait until something holds."""
    for _ in range(int(PATIENCE / 0.1)):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError(f"never: {what}\n{said(study)[-6000:]}")


def of_rule(cluster: Cluster, *words: str) -> list[dict[str, str]]:
    """Return SLURM's records of the jobs whose comment, which names rule and wildcards, has ``words``."""
    return [job for job in cluster.jobs() if all(word in job["StdOut"] for word in words)]


def megabytes(job: Mapping[str, str]) -> int:
    """Return the memory that a job asked for."""
    told = job["MinMemoryNode"]
    return round(float(told[:-1]) * (1024 if told.endswith("G") else 1))


def minutes(job: Mapping[str, str]) -> int:
    """Return the time that a job asked for."""
    days, _, clock = job["TimeLimit"].rpartition("-")
    hours, mins, _ = map(int, clock.split(":"))
    return (int(days or 0) * 24 + hours) * 60 + mins
