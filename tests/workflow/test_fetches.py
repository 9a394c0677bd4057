"""A dry run lists what a study fetches, how large it is and under which licence; and a fetch for real."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fake_hub import REVISION, FakeHub, serving
from tests.studies import CANARIES, ROOT, SNAKEMAKE
from workflow.lib.files import read_json

STUDIES = [*sorted((ROOT / "config").glob("*.yaml")), *sorted((ROOT / "config/studies").glob("*.yaml"))]


def snakemake(
    study: Path, folder: Path, *options: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake on ``study`` in ``folder``."""
    command = [SNAKEMAKE, "--snakefile", ROOT / "Snakefile", "--directory", folder, *options]
    command += ["--configfile", study]
    return subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}
    )


def listed(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return what a dry run says of each fetch, by name."""
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stderr[done.stderr.index("Plan: ") :].splitlines()
    return dict(line.strip().split(": ", 1) for line in lines if line.startswith("  "))


def from_hub(study: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return repository with revision and licence of everything that a study takes from the hub, by name."""
    found = {
        f"{name}/{source['name']}": (f"{source['repo']}@{source['revision']}", dataset["licence"])
        for name, dataset in study["datasets"].items()
        for source in dataset["sources"]
        if source["kind"] == "hub"
    }
    models = {name: model for name, model in study["models"].items() if model["kind"] == "hub"}
    return found | {name: (f"{m['repo']}@{m['revision']}", m["licence"]) for name, m in models.items()}


@pytest.mark.parametrize("file", STUDIES, ids=[file.stem for file in STUDIES])
def test_every_study_lists_its_fetches(file: Path, tmp_path: Path) -> None:
    expected = from_hub(yaml.safe_load(file.read_text()))
    lines = listed(snakemake(file, tmp_path, "--dry-run", "--quiet"))
    assert set(lines) >= set(expected)
    for name, (origin, licence) in expected.items():
        assert lines[name].startswith(f"{origin}, ") and lines[name].endswith(f", {licence}")
        assert lines[name].removeprefix(f"{origin}, ").split()[1] in ("MB,", "GB,")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Return a study whose data are on a hub and in a folder."""
    study = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    del study["datasets"]["piqa"], study["evaluation"]["tasks"]["piqa"]
    first, second = study["datasets"]["logicbench"]["sources"]
    first |= {"repo": "org/data", "revision": REVISION, "files": ["*.json"], "megabytes": 1234.5}
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/a.json").write_bytes(bytes(2_500_000))
    second = {key: second[key] for key in ("name", "adapter", "into")}
    second |= {"kind": "local", "path": str(tmp_path / "rows"), "files": ["*.json"]}
    study["datasets"]["logicbench"] |= {"sources": [first, second], "licence": "CC BY 4.0"}
    study["models"]["phi-4"]["megabytes"] = 40
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    return tmp_path / "study.yaml"


def test_sizes_are_the_study_s_own_and_local_files_are_measured(study: Path, tmp_path: Path) -> None:
    done = snakemake(study, tmp_path, "--dry-run", "--quiet")
    lines = listed(done)
    assert lines["logicbench/aug"] == f"org/data@{REVISION}, 1.2 GB, CC BY 4.0"
    assert lines["logicbench/eval"] == f"folder {tmp_path / 'rows'}, 2.5 MB, CC BY 4.0"
    assert lines["phi-4"].endswith(", 40 MB, MIT")
    # 1234.5 + 2.5 + 16100 + 3 x 141000 + 54900 + 40 MB
    assert "Fetches: 8, about 495.3 GB, in as long as your network takes." in done.stderr


def test_only_what_is_about_to_be_fetched_is_listed(study: Path, tmp_path: Path) -> None:
    lines = listed(snakemake(study, tmp_path, "--dry-run", "--quiet", "--until", "fetch_dataset"))
    assert set(lines) == {"logicbench/aug", "logicbench/eval"}


def test_the_command_for_the_login_node_fetches_and_nothing_else(study: Path, tmp_path: Path) -> None:
    changed = yaml.safe_load(study.read_text())
    changed["models"] = {"phi-4": changed["models"]["phi-4"]}
    for teacher in changed["teachers"].values():
        teacher["model"] = "phi-4"
    changed["train"]["models"] = ["phi-4"]
    study.write_text(yaml.safe_dump(changed))
    until = ("--cores", "1", "--until", "fetch_model", "fetch_dataset")
    said = snakemake(study, tmp_path, *until, "--dry-run", "--quiet").stderr
    assert "Plan: 2 jobs, 0 trainings" in said
    manifest = tmp_path / "results/raw/logicbench/manifest.json"
    with serving(FakeHub({"rows.json": b"[1]"})) as hub:
        only = ("--cores", "1", "--until", "fetch_dataset")
        done = snakemake(study, tmp_path, *only, HF_ENDPOINT=hub.address, HF_HUB_OFFLINE="1", **CANARIES)
        assert done.returncode == 0, done.stderr[-3000:]
        fetched = [entry["path"] for source in read_json(manifest)["sources"] for entry in source["files"]]
        assert fetched == ["aug/rows.json", "eval/a.json"]
        hub.status = 401
        failed = snakemake(study, tmp_path, *only, "--forceall", HF_ENDPOINT=hub.address, **CANARIES)
    assert failed.returncode == 1 and not manifest.exists()
    log = (tmp_path / "results/logs/fetch_dataset/logicbench.log").read_text()
    told = f"ERROR fetch_dataset: org/data@{REVISION}: the hub gives no access (HTTP 401). Fix: check the "
    assert log.strip().splitlines()[-1].startswith(told)
    assert not [value for value in CANARIES.values() if value in log + failed.stdout + failed.stderr]
