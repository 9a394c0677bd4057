"""`snakemake check` on the demo and on a study with three problems: nothing is run, everything is told."""

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.studies import ROOT, SNAKEMAKE, demo_config


def check(folder: Path, study: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
    """Run `snakemake check` on ``study`` in ``folder``."""
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    command = [SNAKEMAKE, "check", "--snakefile", ROOT / "Snakefile", "--directory", folder, "--cores", "1"]
    command += ["--configfile", folder / "study.yaml", *options]
    caches = {name: str(folder / name) for name in ("XDG_CACHE_HOME", "HF_HOME")}  # a line for each
    for place in caches.values():
        Path(place).mkdir(exist_ok=True)
    environment = {**os.environ, **caches, "HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": ""}
    return subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, env=environment)


def test_the_demo_passes_and_three_problems_are_told_in_one_go(tmp_path: Path) -> None:
    study = demo_config()
    done = check(tmp_path, study)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stderr.splitlines()
    assert "No problem found; 5 of 13 lines must wait. What it would cost: snakemake -n" in lines
    assert "ok       GPUs          the study computes on CPUs" in lines
    assert not [line for line in lines if line.startswith("problem")]
    hub = {"kind": "hub", "repo": "org/m", "revision": "0" * 40, "licence": "MIT", "megabytes": 10**9}
    study["models"]["spare"] = hub  # a petabyte
    study["datasets"]["goals"]["sources"][0] |= {
        "generator": "logic",
        "seed": 20260,
        "adapter": "logicbench_bqa",
    }
    teacher = yaml.safe_load((ROOT / "config/config.yaml").read_text())["teachers"]["gpt-4o"]
    study["teachers"]["gpt-4o"] = teacher
    failed = check(tmp_path, study)  # again, although its log is there
    assert failed.returncode == 1 and "returned non-zero exit status 2" in failed.stdout + failed.stderr
    told = [line for line in failed.stderr.splitlines() if line.startswith("problem")]
    assert [line.split()[1:3] for line in told] == [
        ["secrets", "OPENAI_API_KEY:"],
        ["disk", "results"],
        ["leakage", "datasets.logic.logicbench:"],
    ]
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["logs"]
