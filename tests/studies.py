"""Studies that tests run for real: a clone of the workflow, its configuration, and what it would do."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from workflow.lib.files import sha256

ROOT = Path(__file__).parents[1]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
CLOUD = Path(sys.prefix) / "cloud"  # where `make environment` puts the packages of envs/cloud.lock.txt
CANARIES = {
    name: f"canary-{name.lower()}-0123456789" for name in ("OPENAI_API_KEY", "HF_TOKEN", "WANDB_API_KEY")
}
COPIED = ("CITATION.cff", "Snakefile", "rules", "workflow", "config", "envs", "profiles", "slurm", "tests")

# What tells of time, memory or versions; everything else must repeat.
TIMED = (
    *("logs/", "benchmarks/", "analysis/costs", "analysis/efficiency", "analysis/provenance"),
    *("analysis/timeline", "analysis/resources", "figures/timeline"),
    *("figures/costs", "figures/efficiency", "report.html", "ro-crate"),
)
TIMED_NAMES = ("run.json", ".snakemake_timestamp", "checks.json")


@dataclass(frozen=True)
class Study:
    """A clone of the workflow and the configuration files of the study that runs in it."""

    root: Path
    configfiles: tuple[str, ...]

    def run(self, *options: str, expect: int = 0, profile: str | None = None, path: str | None = None) -> str:
        """Run Snakemake in the clone, on two cores or as a profile says, and return everything it said."""
        where = ["--profile", profile] if profile else ["--cores", "2"]
        command = [str(SNAKEMAKE), *where, "--configfile", *self.configfiles, *options]
        environment = {**os.environ, **CANARIES, "PATH": path or os.environ["PATH"]}
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, env=environment)
        assert done.returncode == expect, done.stdout[-4000:] + done.stderr[-8000:]
        return done.stdout + done.stderr

    def planned(self, *options: str) -> Counter[str]:
        """Return how many jobs of each rule a run would execute now; nothing but real work."""
        lines = self.run("--dry-run", "--quiet", "rules", *options).splitlines()
        said = [line.split() for line in lines if len(line.split()) == 2 and line.split()[1].isdigit()]
        return Counter({rule: int(count) for rule, count in said if rule not in ("all", "total")})

    def change(self, path: str, old: str, new: str) -> None:
        """Replace text in a file of the clone."""
        text = (self.root / path).read_text()
        assert old in text, f"{path} has no {old!r}"
        (self.root / path).write_text(text.replace(old, new, 1))


def clone(folder: Path, *configfiles: str) -> Study:
    """Copy what the workflow needs of the working tree into ``folder``."""
    folder.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__", ".*cache")
    for name in COPIED:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name, **({"ignore": ignore} if source.is_dir() else {}))
    return Study(folder, configfiles)


def demo_config() -> dict[str, Any]:
    """Return the configuration of the demo study."""
    return dict(yaml.safe_load((ROOT / "config/demo.yaml").read_text()))


def smaller(study: dict[str, Any], snapshot: Path) -> dict[str, Any]:
    """Return ``study`` on the base model in ``snapshot``, with fewer rows, samples and updates."""
    study["models"] = {"tiny": {"kind": "local", "path": str(snapshot)}}
    for dataset in study["datasets"].values():
        for source in dataset["sources"]:
            if source["kind"] == "generator":
                source["size"] = 160
    study["teachers"]["tiny"]["samples"] = 4
    study["prompts"]["slice"] = 8
    study["rationales"] |= {"max_failed_fraction": 1.0, "ambiguous_below": 0.3}
    study["methods"]["ppo"]["updates"] = 2
    study["analysis"]["resamples"] = 200
    return study


def clone_with(folder: Path, study: dict[str, Any]) -> Study:
    """Return a clone whose study is the configuration ``study``."""
    made = clone(folder, "config/study.yaml")
    (folder / "config/study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return made


def digests(study: Study) -> dict[str, str]:
    """Return the digest of every result that must be the same each time, by its path."""
    root = study.root / "results"
    names = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    kept = [n for n in names if not n.startswith(TIMED) and not n.endswith(TIMED_NAMES)]
    return {name: sha256(root / name) for name in kept}
