"""The workflow as a module of another one, and as snakedeploy deploys it."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.source import ROOT, rules
from tests.studies import CLOUD, SNAKEMAKE, clone
from tests.workflow.test_dag import DEMO

OUTER = """
configfile: "study.yaml"

module plumbline:
    snakefile: "{source}/workflow/Snakefile"
    config: config["{key}"]
    {prefix}

use rule * from plumbline as plumbline_*

use rule generate_dataset from plumbline as plumbline_generate_dataset with:
    threads: 2

rule own:
    default_target: True
    input: rules.plumbline_all.input
    output: "own.txt"
    benchmark: "benchmarks/own.tsv"
    shell: "touch {{output}}"

onstart:
    plumbline.onstart()
"""
RAW = "results/raw/goals/manifest.json"
DATA = "results/data/logic/contamination.parquet"


def outer(folder: Path, source: Path, prefix: str = "", **changes: object) -> Path:
    """Write another workflow that has the demo's study under a key of its own, and uses Plumbline for it."""
    folder.mkdir()
    (folder / "Snakefile").write_text(OUTER.format(source=source, key="alignment", prefix=prefix))
    study = yaml.safe_load((ROOT / "config/demo.yaml").read_text()) | changes
    (folder / "study.yaml").write_text(yaml.safe_dump({"alignment": study, "other": 1}))
    return folder


def snakemake(folder: Path, *options: str, expect: int = 0, **environment: str) -> str:
    """Run Snakemake in ``folder`` and return everything it said."""
    done = subprocess.run(
        [SNAKEMAKE, "--cores", "2", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )
    assert done.returncode == expect, done.stdout[-3000:] + done.stderr[-5000:]
    return done.stdout + done.stderr


def counted(said: str) -> Counter[str]:
    """Return the jobs by rule in the table that a dry run begins with."""
    table = re.search(r"^-+  -+\n(.*?)\ntotal ", said, re.MULTILINE | re.DOTALL)[1]
    return Counter({name: int(count) for name, count in map(str.split, table.splitlines())})


def append(file: Path, line: str) -> None:
    file.write_text(f"{file.read_text()}\n{line}\n")


def test_another_workflow_plans_the_same_jobs(tmp_path: Path) -> None:
    """Under other names and beside a rule of its own, one of them changed; the plan is told once."""
    said = snakemake(outer(tmp_path / "outer", ROOT), "--dry-run")
    demo = {f"plumbline_{rule}": count for rule, count in DEMO.jobs.items() if rule != "all"}
    assert counted(said) == {**demo, "own": 1}
    assert "localrules" not in said  # Snakemake's word on those that it does not find under their new names
    changed = re.findall(r"rule plumbline_generate_dataset:\n(?:    .+\n)*?    threads: 2\n", said)
    assert len(changed) == DEMO.jobs["generate_dataset"]
    told = re.findall(r"Plan: (\d+) jobs, (\d+) trainings, (\d+) evaluations\.", said)
    evaluations = sum(DEMO.jobs[rule] for rule in ("evaluate", "evaluate_again", "evaluate_rewards"))
    assert told == [(str(sum(demo.values())), "10", str(evaluations))]
    assert "jobs of unknown length" not in said


def test_scripts_run_from_another_working_directory(tmp_path: Path) -> None:
    """Data to contamination for real; then an edit of a library module reruns exactly its importers."""
    source = clone(tmp_path / "clone", "config/demo.yaml")
    folder = outer(tmp_path / "outer", source.root)
    snakemake(folder, DATA, "--quiet")
    card = json.loads((folder / "results/data/logic/card.json").read_text())
    assert card["dataset"] == "logic" and (folder / DATA).exists()
    journal = [json.loads(line) for line in (folder / "results/logs/jobs.jsonl").read_text().splitlines()]
    assert Counter(entry["rule"] for entry in journal) == {
        "plumbline_generate_dataset": 3,
        "plumbline_normalise_dataset": 3,
        "plumbline_find_contamination": 1,
    }
    assert "Plan: nothing to do." in snakemake(folder, DATA, "--dry-run")
    append(source.root / "workflow/lib/contamination.py", "LATER = 1")
    assert counted(snakemake(folder, DATA, "--dry-run")) == {"plumbline_find_contamination": 1}


def test_problems_of_the_study_are_told_as_ever(tmp_path: Path) -> None:
    folder = outer(tmp_path / "outer", ROOT, seeds=[])
    said = snakemake(folder, "--dry-run", expect=2)
    assert re.findall(r"^ERROR .*seeds: found \[\]", said, re.MULTILINE)
    assert "Traceback" not in said and said.count("ERROR") == 1


def test_a_prefix_of_paths_is_refused(tmp_path: Path) -> None:
    said = snakemake(outer(tmp_path / "outer", ROOT, prefix='prefix: "a"'), "--dry-run", expect=2)
    assert "ERROR module: no prefix of paths. Fix: give it a working directory of its own." in said


# --- snakedeploy ------------------------------------------------------------------------------------------

# What snakedeploy 0.17 writes, without comments; the test with snakedeploy itself sees that it still does.
DEPLOYED = """\
from snakemake.utils import min_version
min_version("6.10.0")
configfile: "config/config.yaml"
module plumbline:
    snakefile:
        github("plumbline/plumbline", path="workflow/Snakefile", tag="{tag}")
    config:
        config
use rule * from plumbline
"""


def released(folder: Path) -> Path:
    """Make a repository of the working tree, where a URL of GitHub is made to lead, with one release."""
    repository = clone(folder / "github.com/plumbline/plumbline").root
    git(repository, "init", "--quiet", "--initial-branch", "main")
    release(repository, "v1.0.0")
    return repository


def git(repository: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *arguments], cwd=repository, check=True, capture_output=True)


def release(repository: Path, tag: str) -> None:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", tag)
    git(repository, "tag", tag)


def hosted(folder: Path) -> dict[str, str]:
    """Return an environment in which git finds github.com in ``folder``, and nothing is in a cache."""
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{folder}/github.com/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


def test_a_deployed_release_runs_and_the_next_one_runs_only_what_it_changed(tmp_path: Path) -> None:
    """All that it needs comes from the repository: scripts, the library, schemas, prompts, the style."""
    repository, where = released(tmp_path), hosted(tmp_path)
    folder = tmp_path / "deployed"
    (folder / "workflow").mkdir(parents=True)
    (folder / "config").mkdir()
    (folder / "config/config.yaml").write_text((ROOT / "config/demo.yaml").read_text())
    (folder / "workflow/Snakefile").write_text(DEPLOYED.format(tag="v1.0.0"))
    said = snakemake(folder, "--dry-run", **where)
    assert counted(said) == DEMO.jobs
    assert ".snakemake/plumbline/config/prompts/cot.j2" in said
    snakemake(folder, RAW, **where)
    append(repository / "workflow/lib/manifests.py", "LATER = 1")
    release(repository, "v1.0.1")
    (folder / "workflow/Snakefile").write_text(DEPLOYED.format(tag="v1.0.1"))
    assert counted(snakemake(folder, RAW, "--dry-run", **where)) == {"generate_dataset": 1}


@pytest.mark.skipif(
    not (CLOUD / "snakedeploy").exists(), reason="needs envs/cloud.lock.txt: make environment"
)
def test_snakedeploy_writes_what_these_tests_take_for_it(tmp_path: Path) -> None:
    repository = released(tmp_path)
    command = [sys.executable, "-c", "from snakedeploy.client import main; main()", "deploy-workflow"]
    command += [str(repository), "deployed", "--tag", "v1.0.0"]
    environment = {**os.environ, "PYTHONPATH": str(CLOUD)}
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=environment)
    text = (tmp_path / "deployed/workflow/Snakefile").read_text()
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert lines == DEPLOYED.format(tag="v1.0.0").splitlines()
    assert (tmp_path / "deployed/config/config.yaml").read_text() == (ROOT / "config/config.yaml").read_text()
    assert "Plan: " in snakemake(tmp_path / "deployed", "--dry-run", "all", **hosted(tmp_path))


def test_what_the_catalogue_asks_for_is_there() -> None:
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage == {"software-stack-deployment": {"conda": True}, "report": True}
    assert all(rule.directives["conda"] for rule in rules() if "script" in rule.directives)
    assert (ROOT / "workflow/Snakefile").exists() and (ROOT / "config/README.md").exists()
