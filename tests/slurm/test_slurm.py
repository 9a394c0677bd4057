"""The profile that ships, on a real SLURM of one node: what is asked for, and what survives which fault.

Four jobs of one driver suffer at the same time, because most of this is waiting (``suffered``): a training is
cancelled and requeued, one job has too little memory, one too little time, and one is cancelled always.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, cluster, missing
from tests.slurm.drivers import (
    ADAPTER,
    PATIENCE,
    STEPS,
    driving,
    interrupted,
    megabytes,
    minutes,
    of_rule,
    said,
    until,
    write_study,
)
from tests.studies import Study
from workflow.lib.files import read_json
from workflow.lib.parquet import rows_of

LACKING = missing()
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(LACKING), reason=f"no {', '.join(LACKING)}: make system"),
]
TRAIN, SHORT_OF_MEMORY = "/rule_train/", "/group_data_generate_dataset_normalise_dataset/"
SHORT_OF_TIME, CANCELLED = "/group_data_generate_dataset/", "/group_analysis_plot/"
TARGETS = (f"{ADAPTER}/run.json", "results/data/goals/test.parquet", "results/raw/puzzles/manifest.json")
FIGURE = "results/figures/costs.svg"


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


def drain(slurm: Cluster, state: str) -> None:
    """Close the node to new jobs, or open it again."""
    node = slurm.call("sinfo", "-h", "-N", "-p", "short", "-o", "%N").strip()
    slurm.call("scontrol", "update", f"nodename={node}", f"state={state}", "reason=test")


def freeze(study: Study, word: str) -> list[int]:
    """Stop, for the time being, what runs in a clone with ``word`` in its command; return the processes."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_text()
        except OSError:
            continue
        if word in command and f"{study.root}/Snakefile" in command and "slurm-jobstep" in command:
            found.append(int(entry.name))
    for process in found:
        os.kill(process, signal.SIGSTOP)
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Study:
    study = write_study(tmp_path_factory.mktemp("small"), tiny_llama)
    (study.root / "results/analysis").mkdir(parents=True)
    (study.root / "results/analysis/costs.csv").write_text("dataset\nlogic\n")
    return study


@pytest.fixture(scope="module")
def suffered(slurm: Cluster, small: Study) -> int:
    """Run four jobs through their faults; return the driver's exit code."""
    drain(slurm, "drain")
    log = small.root / "results/logs/train/logic/tiny/sft/seed-1.log"
    with driving(small, slurm.path, "--", *TARGETS, FIGURE) as driver:
        until(lambda: len(slurm.jobs()) == 4, "four jobs", small)
        assert {(job["JobState"], job["StartTime"]) for job in slurm.jobs()} == {("PENDING", "Unknown")}
        # An administrator may take from a waiting job what it asked for.
        slurm.call("scontrol", "update", f"jobid={number(slurm, SHORT_OF_MEMORY)}", "MinMemoryNode=100")
        slurm.call("scontrol", "update", f"jobid={number(slurm, SHORT_OF_TIME)}", "TimeLimit=1")
        for attempt in (1, 2, 3):
            until(lambda n=attempt: len(of_rule(slurm, CANCELLED)) == n, f"attempt {attempt} to plot", small)
            slurm.call("scancel", number(slurm, CANCELLED))
        drain(slurm, "resume")
        until(lambda: freeze(small, "dataset=puzzles"), "a job without time", small)
        until(lambda: log.exists() and "step 1 of" in log.read_text(), "the first step", small)
        slurm.call("scancel", number(slurm, TRAIN))
        slurm.stop("slurmctld")
        time.sleep(6)
        slurm.start("slurmctld")
        until(lambda: state(slurm, TRAIN, 2) == "RUNNING", "the training's second attempt", small)
        slurm.call("scontrol", "requeue", number(slurm, TRAIN))
        slurm.call(
            "scontrol", "update", f"jobid={number(slurm, TRAIN)}", "StartTime=now"
        )  # not in two minutes
        return driver.wait(2 * PATIENCE)


def number(slurm: Cluster, rule: str) -> str:
    """Return the number of the newest job of a rule."""
    return of_rule(slurm, rule)[-1]["JobId"]


def state(slurm: Cluster, rule: str, attempt: int) -> str | None:
    """Return the state of an attempt, from 1; None before it was submitted."""
    try:
        return of_rule(slurm, rule)[attempt - 1]["JobState"]
    except (AssertionError, IndexError):  # the controller is away, or the job is not there yet
        return None


def attempts(slurm: Cluster, rule: str) -> list[tuple[str, int, int, str]]:
    """Return state, megabytes, minutes and partition of each attempt at a job."""
    return [(job["JobState"], megabytes(job), minutes(job), job["Partition"]) for job in of_rule(slurm, rule)]


def test_a_cancelled_training_goes_on_from_its_checkpoint(
    slurm: Cluster, small: Study, suffered: int
) -> None:
    # needs: 64 GB and 12 hours, times the attempt, up to the site's 160 GB and 24 hours
    assert attempts(slurm, TRAIN) == [
        ("CANCELLED", 64000, 720, "long"),
        ("COMPLETED", 128000, 1440, "long"),
    ]
    assert [job["Restarts"] for job in of_rule(slurm, TRAIN)] == ["0", "1"]  # requeued: the same job again
    log = (small.root / "results/logs/train/logic/tiny/sft/seed-1.log").read_text()
    assert f"step 1 of {STEPS}" not in log and f"step {STEPS} of {STEPS}" in log
    run = read_json(small.root / ADAPTER / "run.json")
    curves = rows_of(small.root / ADAPTER / "curves.parquet")
    assert run["steps"] == STEPS
    assert [row["step"] for row in curves if row["quantity"] == "loss"] == list(range(1, STEPS + 1))


def test_a_job_that_was_killed_asks_for_more(slurm: Cluster, small: Study, suffered: int) -> None:
    (killed, *_), *rest = attempts(slurm, SHORT_OF_MEMORY)
    assert killed in ("FAILED", "CANCELLED", "OUT_OF_MEMORY") and rest == [("COMPLETED", 8000, 80, "short")]
    assert "exceeded memory limit" in slurm_log(slurm, SHORT_OF_MEMORY)
    assert attempts(slurm, SHORT_OF_TIME) == [
        ("TIMEOUT", 4000, 1, "short"),
        ("COMPLETED", 8000, 40, "short"),
    ]
    assert "DUE TO TIME LIMIT" in slurm_log(slurm, SHORT_OF_TIME)


def slurm_log(slurm: Cluster, rule: str) -> str:
    """Return what SLURM wrote of the first attempt at a job; it stays."""
    return Path(of_rule(slurm, rule)[0]["StdOut"]).read_text()


def test_one_job_that_never_works_takes_no_other_along(slurm: Cluster, small: Study, suffered: int) -> None:
    assert attempts(slurm, CANCELLED) == [("CANCELLED", 2000 * n, 2 * n, "short") for n in (1, 2, 3)]
    assert suffered == 1
    assert all((small.root / target).exists() for target in TARGETS)
    assert not (small.root / FIGURE).exists()


def test_jobs_of_seconds_share_one(slurm: Cluster, small: Study, suffered: int) -> None:
    log = Path(of_rule(slurm, SHORT_OF_MEMORY)[-1]["StdOut"]).read_text()
    assert "rule generate_dataset:" in log and "rule normalise_dataset:" in log
    assert not any("fetch_model" in job["StdOut"] for job in slurm.jobs())  # it ran where the network is


def test_nobody_asks_for_a_gpu_on_a_cpu(slurm: Cluster, small: Study, suffered: int) -> None:
    assert len(slurm.jobs()) >= 9 and not any("gpu" in str(job) for job in slurm.jobs())


def test_a_driver_that_was_killed_is_followed_by_another(slurm: Cluster, small: Study, suffered: int) -> None:
    """What docs/cluster.md says under "When the driver died"."""
    targets = ("results/raw/logic/manifest.json", "results/raw/puzzles/manifest.json")
    for path in sorted((small.root / "results/raw/puzzles").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    before = len(slurm.jobs())
    with driving(small, slurm.path, "--jobs", "1", "--", *targets) as driver:
        until(lambda: "RUNNING" in [job["JobState"] for job in slurm.jobs()[before:]], "a job", small)
        driver.kill()
    with driving(small, slurm.path, "--", *targets) as driver:
        assert driver.wait(PATIENCE) == 1
    assert "--unlock" in said(small) and len(slurm.jobs()) == before + 1
    until(lambda: not slurm.call("squeue", "-h", "--me").strip(), "an empty queue", small)
    with driving(small, slurm.path, "--unlock", "--", *targets) as driver:
        assert driver.wait(PATIENCE) == 0
    with driving(small, slurm.path, "--", *targets) as driver:
        assert driver.wait(PATIENCE) == 0, said(small)
    jobs = slurm.jobs()[before:]
    assert [job["JobState"] for job in jobs] == ["COMPLETED"] * 2
    logs = [Path(job["StdOut"]).read_text() for job in jobs]
    assert sorted("dataset=logic" in log for log in logs) == [False, True]  # one writer each
    assert all((small.root / target).exists() for target in targets)


def test_gpus_are_asked_for_by_the_rules_that_compute(
    slurm: Cluster, tiny_llama: Path, tmp_path: Path
) -> None:
    study = write_study(tmp_path, tiny_llama, device="cuda", vllm_tensor_parallel=2, vllm_memory_fraction=0.5)
    results = study.root / "runs/gpu/results"  # as README.md runs another study from the same clone
    results.parent.mkdir(parents=True)
    (study.root / "results").rename(results)
    for name in ("data/logic/train.parquet", "data/logic/dev.parquet", "prompts/logic/choice.json"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).touch()
    before = len(slurm.jobs())
    drain(slurm, "drain")
    shard = "results/rationales/logic/tiny/shard-0.jsonl"
    targets = (f"{ADAPTER}/run.json", shard, TARGETS[-1])
    # A job that is just being submitted or asked about would not be cancelled.
    options = ("--directory", "runs/gpu", "--slurm-init-seconds-before-status-checks", "20")
    with driving(study, slurm.path, *options, "--", *targets) as driver:
        until(lambda: said(study).count("has been submitted") == 3, "three jobs", study)
        time.sleep(3)
        interrupted(driver)
    drain(slurm, "resume")
    jobs = slurm.jobs()[before:]
    asked = {  # by the folder of its log
        Path(job["StdOut"]).parts[-3]: (job.get("TresPerJob"), job["NumCPUs"], job["Partition"])
        for job in jobs
    }
    assert asked == {
        "rule_train": ("gres:gpu:1", "1", "gpu"),  # hardware.processes: 1
        "rule_sample_rationales": ("gres:gpu:2", "1", "gpu"),  # hardware.vllm_tensor_parallel: 2
        "slurm": (None, "1", "short"),  # logs of a group have no folder for wildcards
    }
    assert {job["WorkDir"] for job in jobs} == {str(results.parent)}
    assert [job["JobState"] for job in jobs] == ["CANCELLED"] * 3  # what Ctrl-C leaves behind
