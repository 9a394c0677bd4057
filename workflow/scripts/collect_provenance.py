"""Gather what one needs to tell where a result came from: versions, revisions, digests, settings.

Nothing here names a person, a machine or a folder outside the results.
"""

import json
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from workflow.lib.files import digest_of, read_json, sha256, write_json, write_text
from workflow.lib.indices import files_of
from workflow.lib.logs import capture

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

PACKAGES = [
    *("accelerate", "datasets", "jinja2", "lm-eval", "matplotlib", "numpy", "peft", "pyarrow"),
    *(
        "safetensors",
        "scipy",
        "snakemake",
        "statsmodels",
        "tokenizers",
        "torch",
        "transformers",
        "trl",
        "vllm",
    ),
]
RUN = ("dataset", "model", "method", "seed")
RUN_FACTS = ("settings", "lora", "hardware", "inputs", "versions")
COMMANDS = {
    "everything again, with these settings": "snakemake --configfile results/config.yaml",
    "one figure": "snakemake results/figures/accuracy.pdf",
    "what would run, and why": "snakemake --dry-run",
}


def versions() -> dict[str, str]:
    """Return the version of every package that can move a number, as installed for this script."""
    return {"python": platform.python_version()} | {name: installed(name) for name in PACKAGES}


def installed(package: str) -> str:
    """Return the version of a package, or that it is not part of this environment."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not in this environment"


def commit(repository: Path) -> str:
    """Return the git commit that the workflow's files are at, marked when they differ from it."""
    try:
        head = _git(repository, "rev-parse", "HEAD")
        changed = _git(repository, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head} with changes" if changed else head


def release(repository: Path) -> str:
    """Return the version of the last release that the workflow's files are of, or that came before them."""
    return str(yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))["version"])


def _git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def described(path: str) -> dict[str, Any]:
    """Return a manifest's content, with the digest of the manifest file itself."""
    return {"manifest_sha256": sha256(path), **read_json(path)}


def run_facts(path: str) -> dict[str, Any]:
    """Return what a training run was made of; how long it took is in the table of costs."""
    run = read_json(path)
    return {fact: run[fact] for fact in (*RUN, *RUN_FACTS)}


def score_facts(path: str) -> dict[str, Any]:
    """Return the identity of one evaluation: what was scored, on what, by which definition."""
    return {"sha256": sha256(path), "identity": read_json(path)["plumbline"]}


def main(
    *,
    manifests: Sequence[str],
    runs: Sequence[str],
    scores: Sequence[str],
    provenance: str,
    config: str,
    settings: dict[str, Any],
    repository: Path,
) -> None:
    """Write the provenance of a study, and its merged and validated settings as YAML."""
    plain = json.loads(json.dumps(settings))
    write_text(config, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110))
    facts = {
        "release": release(repository),
        "commit": commit(repository),
        "versions": versions(),
        "platform": {"system": platform.system(), "machine": platform.machine()},
        "commands": COMMANDS,
        "config": plain,
        "config_sha256": digest_of(plain),
        "manifests": [described(path) for path in manifests],
        "runs": [run_facts(path) for path in runs],
        "scores": [score_facts(path) for path in scores],
    }
    write_json(provenance, facts)
    print(f"{len(manifests)} manifests, {len(runs)} runs and {len(scores)} evaluations described")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        manifests=snakemake.input.manifests,
        runs=snakemake.input.runs,
        scores=files_of(snakemake.input.evaluations, "scores"),
        provenance=snakemake.output.provenance,
        config=snakemake.output.config,
        settings=snakemake.params.config,
        repository=Path(__file__).parents[2],
    )
