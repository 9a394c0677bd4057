"""The profiles for Kubernetes and AWS Batch: dry runs by the real plugins, and what a pod would be given."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from yte import process_yaml

from tests.source import ROOT
from tests.studies import CLOUD, SNAKEMAKE
from tests.workflow.test_dag import DEMO

SLURM = yaml.safe_load((ROOT / "slurm/config.yaml").read_text())["__variables__"]
DEFAULT: dict[str, Any] = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text())
CLOUDS = ("kubernetes", "aws-batch")
needs_plugins = pytest.mark.skipif(not CLOUD.is_dir(), reason="needs envs/cloud.lock.txt: make environment")


def profile(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **site: object) -> dict[str, Any]:
    """Return a profile as Snakemake reads it at a site."""
    (folder / f"profiles/{name}").mkdir(parents=True)
    (folder / "slurm").symlink_to(ROOT / "slurm")
    usual = yaml.safe_load((ROOT / f"profiles/{name}/site.yaml").read_text())
    assert set(site) <= set(usual)
    (folder / f"profiles/{name}/site.yaml").write_text(yaml.safe_dump(usual | site))
    monkeypatch.chdir(folder)
    return dict(process_yaml((ROOT / f"profiles/{name}/config.yaml").open(), require_use_yte=True))


@pytest.mark.parametrize("name", CLOUDS)
def test_no_cloud_takes_from_the_default_profile(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = profile(name, tmp_path, monkeypatch)
    assert not found.keys() & DEFAULT.keys() and found["retries"] == 2


def test_pods_have_the_claim_and_work_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = {"claim": "disk", "study": "mine", "image": "i:1", "namespace": "team", "most_mem_mb": 100000}
    found = profile("kubernetes", tmp_path, monkeypatch, **site)
    assert found["kubernetes-persistent-volumes"] == ["disk:/plumbline"]
    assert found["default-storage-prefix"] == "/plumbline/mine"
    assert found["precommand"].endswith("ln -sfn /plumbline/mine/work work")
    assert (found["container-image"], found["kubernetes-namespace"]) == ("i:1", "team")
    memory = found["set-resources"]["train"]["mem_mb"]
    assert [eval(memory, {"attempt": attempt}) for attempt in (1, 2, 3)] == [64000, 100000, 100000]
    assert found["groups"] == {rule: group for group, rules in SLURM["groups"].items() for rule in rules}


def test_batch_jobs_ask_for_what_the_plugin_can_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = {"prefix": "s3://b/mine", "efs": "fs-1", "gpus": 4, "most_runtime": 90}
    found = profile("aws-batch", tmp_path, monkeypatch, **site)
    assert found["aws-batch-task-timeout"] == 5400 and found["default-storage-prefix"] == "s3://b/mine"
    assert " fs-1:/ /plumbline " in found["precommand"]
    assert found["precommand"].endswith("ln -sfn /plumbline/b/mine/work work")
    assert set(found["set-resources"]) == set(found["set-threads"]) == set(SLURM["needs"])
    assert found["set-resources"]["train"]["_gpus"] == 4


@needs_plugins
def test_the_plugin_takes_the_memory_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it does not know a size for so many cores it takes the least, and says so in its log alone."""
    found = profile("aws-batch", tmp_path, monkeypatch)
    source = (CLOUD / "snakemake_executor_plugin_aws_batch/constant.py").read_text()
    names: dict[str, Any] = {}
    exec(source, names)
    known = names["VALID_RESOURCES_MAPPING"]
    asked = [(found["default-resources"]["mem_mb"], 1)]
    asked += [(found["set-resources"][rule]["mem_mb"], cores) for rule, cores in found["set-threads"].items()]
    for memory, cores in asked:
        sizes = [eval(memory, {"attempt": attempt}) for attempt in (1, 2, 3)]
        assert sizes == sorted(set(sizes)) and all(cores in known[size] for size in sizes)


class EmptyBucket(BaseHTTPRequestHandler):
    """A bucket that is there and has nothing in it."""

    def do_HEAD(self) -> None:
        """Say that buckets are there and objects are not."""
        self.send_response(200 if self.path.count("/") == 1 else 404)
        self.end_headers()

    def do_GET(self) -> None:
        """List nothing."""
        body = b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></ListBucketResult>'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *given: object) -> None:
        """Say nothing."""


@contextmanager
def empty_bucket() -> Iterator[str]:
    """Serve S3 with an empty bucket here; yield its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), EmptyBucket)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@needs_plugins
@pytest.mark.parametrize(("name", "study"), [("kubernetes", "config"), ("aws-batch", "demo")])
def test_a_cloud_dry_runs(name: str, study: str) -> None:
    """Results are in the storage; prompts and other files of the repository are taken from the clone."""
    keys = {
        f"{start}_{end}": "x"
        for start in ("AWS", "SNAKEMAKE_STORAGE_S3")
        for end in ("ACCESS_KEY", "SECRET_KEY")
    }
    with empty_bucket() as url:
        command = [
            SNAKEMAKE,
            "--dry-run",
            "--profile",
            f"profiles/{name}",
            "--configfile",
            f"config/{study}.yaml",
        ]
        command += ["--storage-s3-endpoint-url", url]
        environment = {**os.environ, **keys, "PYTHONPATH": str(CLOUD)}
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.stdout + done.stderr
    place = {"kubernetes": "/plumbline/main/results/", "aws-batch": "s3://my-bucket/main/results/"}[name]
    assert f"output: {place}" in said and re.search(r"input: .*[ ,]config/prompts/cot\.j2", said)
    if study == "demo":
        assert f"Plan: {sum(DEMO.jobs.values()) - 1} jobs, 10 trainings" in said
