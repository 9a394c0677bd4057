"""Provenance holds what made a result, and nothing of who or where."""

import getpass
import socket
import subprocess
from importlib.metadata import version

import yaml

from workflow.lib.files import read_json, sha256, write_json
from workflow.scripts import collect_provenance

CONFIG = {"seeds": [2, 1], "lora": {"r": 8, "alpha": 5.0e-7}, "study": {"title": "Größe: a 'test'"}}
RUN = {
    **{"dataset": "logic", "model": "tiny", "method": "dpo", "seed": 1, "settings": {"beta": 0.1}},
    **{"lora": {"r": 8}, "hardware": {"device": "cpu"}, "inputs": {"rows": "ab"}, "versions": {"trl": "1"}},
}


def run(tmp_path, repository, **changes):
    write_json(tmp_path / "manifest.json", {"model": "tiny", "digest": "cd"})
    write_json(tmp_path / "run.json", RUN | {"started": "now", "seconds_total": 3.5} | changes)
    write_json(tmp_path / "scores.json", {"results": {}, "plumbline": {"method": "dpo", "n": 12}})
    (repository / "CITATION.cff").write_text("title: Plumbline\nversion: 1.2.3\n")
    collect_provenance.main(
        manifests=[str(tmp_path / "manifest.json")],
        runs=[str(tmp_path / "run.json")],
        scores=[str(tmp_path / "scores.json")],
        provenance=str(tmp_path / "provenance.json"),
        config=str(tmp_path / "config.yaml"),
        settings=CONFIG,
        repository=repository,
    )
    return read_json(tmp_path / "provenance.json")


def git(repository, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", "-C", str(repository), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_facts_of_manifests_runs_and_scores(tmp_path):
    found = run(tmp_path, tmp_path)
    digest = sha256(tmp_path / "manifest.json")
    assert found["manifests"] == [{"model": "tiny", "digest": "cd", "manifest_sha256": digest}]
    assert found["runs"] == [RUN]
    scores = {"identity": {"method": "dpo", "n": 12}, "sha256": sha256(tmp_path / "scores.json")}
    assert found["scores"] == [scores]
    assert found["versions"]["scipy"] == version("scipy")
    assert found["config"] == CONFIG
    assert found["release"] == "1.2.3"


def test_times_of_a_run_change_no_byte(tmp_path):
    run(tmp_path, tmp_path)
    before = (tmp_path / "provenance.json").read_bytes()
    run(tmp_path, tmp_path, started="later", seconds_total=9.0)
    assert (tmp_path / "provenance.json").read_bytes() == before


def test_config_comes_back_from_yaml_in_its_order(tmp_path):
    run(tmp_path, tmp_path)
    found = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert found == CONFIG
    assert list(found) == ["seeds", "lora", "study"]


def test_commit_is_named_and_marked_when_files_differ(tmp_path):
    assert run(tmp_path, tmp_path)["commit"] == "unknown"
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q")
    (repository / "file").write_text("one")
    git(repository, "add", "file")
    git(repository, "commit", "-q", "-m", "one")
    head = git(repository, "rev-parse", "HEAD")
    assert run(tmp_path, repository)["commit"] == head
    (repository / "file").write_text("two")
    assert run(tmp_path, repository)["commit"] == f"{head} with changes"


def test_no_person_machine_or_folder_is_named(tmp_path):
    run(tmp_path, tmp_path)
    text = (tmp_path / "provenance.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert socket.gethostname() not in text
    assert f"/{getpass.getuser()}" not in text


def test_package_that_is_not_installed_is_said_so():
    assert collect_provenance.installed("no-such-package-here") == "not in this environment"
