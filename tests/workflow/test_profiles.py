"""What the profiles ask of a cluster, and that they speak of all rules and of no others."""

import re
import subprocess
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml
from yte import process_yaml

from tests.source import ROOT, rules
from tests.studies import SNAKEMAKE, demo_config

SITE: dict[str, Any] = yaml.safe_load((ROOT / "slurm/site.yaml").read_text())
DEFAULT: dict[str, Any] = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
LOCAL = {rule.name for rule in rules() if "localrule" in rule.directives}


def slurm(folder: Path, monkeypatch: pytest.MonkeyPatch, **site: object) -> dict[str, Any]:
    """Return the SLURM profile as Snakemake reads it at a site."""
    (folder / "slurm").mkdir()
    (folder / "slurm/site.yaml").write_text(yaml.safe_dump(SITE | site))
    monkeypatch.chdir(folder)
    return dict(process_yaml((ROOT / "slurm/config.yaml").open(), require_use_yte=True))


def of_attempts(resources: Mapping[str, str], name: str) -> list[int]:
    """Return what three attempts ask for."""
    return [eval(resources[name], {"attempt": attempt}) for attempt in (1, 2, 3)]


def test_each_rule_is_computed_grouped_or_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = slurm(tmp_path, monkeypatch)
    grouped, asking = set(profile["groups"]), set(profile["set-resources"])
    computing = asking - grouped
    assert {rule.name for rule in rules()} == grouped | computing | LOCAL
    assert not grouped & LOCAL and not computing & LOCAL
    # A group with a GPU would keep it through jobs that have no use for it.
    assert {rule.name for rule in rules() if "gpu" in rule.names("resources")} | {
        "pretrain_model"
    } == computing


def test_each_attempt_asks_for_more_up_to_what_the_site_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = slurm(tmp_path, monkeypatch, most_mem_mb=150000, most_runtime=1000)
    assert profile["retries"] == 2
    assert of_attempts(profile["default-resources"], "mem_mb") == [4000, 8000, 12000]
    assert of_attempts(profile["default-resources"], "runtime") == [60, 120, 180]
    train = profile["set-resources"]["train"]
    assert of_attempts(train, "mem_mb") == [64000, 128000, 150000]
    assert of_attempts(train, "runtime") == [720, 1000, 1000]
    plot = profile["set-resources"]["plot"]
    assert of_attempts(plot, "mem_mb") == [2000, 4000, 6000]
    assert of_attempts(plot, "runtime") == [2, 4, 6]


def test_every_key_of_the_site_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partitions = {"gpu": {"max_runtime": 9, "max_gpu": 4}}
    site = {"account": "alice", "status_command": "squeue", "poll_seconds": 7, "partitions": partitions}
    profile = slurm(tmp_path, monkeypatch, **site)
    assert profile["default-resources"]["slurm_account"] == "alice"
    assert profile["slurm-status-command"] == "squeue"
    assert profile["slurm-init-seconds-before-status-checks"] == 7
    assert profile["slurm-partition-config"] == str(tmp_path / "slurm/site.yaml")
    assert set(site) | {"most_mem_mb", "most_runtime"} == set(SITE)


def test_a_site_that_says_nothing_gets_what_slurm_chooses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = slurm(tmp_path, monkeypatch)
    assert "slurm_account" not in profile["default-resources"] and "slurm-partition-config" not in profile


def test_no_profile_takes_from_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """profiles/default replaces keys of --profile as a whole; cores there would cap the threads of jobs."""
    profile = slurm(tmp_path, monkeypatch)
    assert not profile.keys() & DEFAULT.keys()
    assert "cores" not in profile.keys() | DEFAULT.keys()


def test_a_workstation_runs_one_job_on_its_gpu() -> None:
    profile = yaml.safe_load((ROOT / "profiles/workstation/config.yaml").read_text())
    assert set(profile["resources"]) == {*DEFAULT["resources"], "gpu=1"}
    assert {key: profile[key] for key in DEFAULT.keys() - {"resources"}} == {
        key: value for key, value in DEFAULT.items() if key != "resources"
    }
    command = [SNAKEMAKE, "--workflow-profile", "profiles/workstation", "results/report.html"]
    command += ["--dry-run", "--quiet", "rules"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and "sample_rationales" in done.stdout + done.stderr, done.stderr[-3000:]


def jobs_of(study: Mapping[str, Any], folder: Path) -> list[tuple[str, set[str], set[str]]]:
    """Return rule, inputs and outputs of every job of a study."""
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    command = [SNAKEMAKE, "--dry-run", "--forceall", "--configfile", str(folder / "study.yaml")]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    found = re.findall(r"rule (\w+):\n(?:    input: (.*)\n)?    output: (.*)\n", done.stdout + done.stderr)
    return [(name, set(given.split(", ")), set(made.split(", "))) for name, given, made in found]


def test_no_group_waits_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snakemake does not check it: a group before and after a job of another would wait for ever."""
    study = demo_config()
    sampled = {"samples": 4, "temperature": 0.7, "top_p": 1.0, "max_tokens": 64, "seed": 3}
    study["rounds"] = {"dpo": {"count": 3, "start_from": "previous", **sampled, "max_yield_drop": 0.1}}
    jobs = jobs_of(study, tmp_path)
    group_of = slurm(tmp_path, monkeypatch)["groups"]
    makers = {path: i for i, (_, _, made) in enumerate(jobs) for path in made}
    needs = [{makers[path] for path in given if path in makers} for _, given, _ in jobs]
    groups = [group_of.get(name) for name, _, _ in jobs]
    part = list(range(len(jobs)))  # of each job: the lowest number of a job that it shares a group with
    for _ in jobs:
        for job, above in enumerate(needs):
            for other in above:
                if groups[job] and groups[job] == groups[other]:
                    part[job] = part[other] = min(part[job], part[other])
    among = [{part[other] for other in above} - {part[job]} for job, above in enumerate(needs)]
    whole: dict[int, set[int]] = {}
    for job, above in enumerate(among):
        whole.setdefault(part[job], set()).update(above)
    order = list(TopologicalSorter(whole).static_order())  # CycleError where a group waits for itself
    assert len(jobs) > 60 and len(order) < len(jobs) - 25  # so many jobs cost no place in the queue
