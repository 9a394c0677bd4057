"""Fetching: files come with digests from anywhere, and the manifest names nothing of this machine."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.fake_hub import REVISION, FakeHub, serving, use
from workflow.lib.errors import DataError, DependencyError
from workflow.lib.files import read_json, sha256
from workflow.scripts.fetch_dataset import main

LOCAL = {"name": "piqa", "kind": "local", "adapter": "piqa", "into": "test", "files": ["data/*.jsonl"]}
HUB = {**LOCAL, "kind": "hub", "repo": "org/data", "revision": REVISION, "megabytes": 1.0}
FILES = {"data/valid.jsonl": b"{}\n", "data/train.jsonl": b"[]\n", "README.md": b"about"}


def fetch(folder: Path, *sources: dict[str, Any]) -> dict[str, Any]:
    """Fetch ``sources`` into ``folder`` and return the manifest."""
    shutil.rmtree(folder / "files", ignore_errors=True)  # as Snakemake does before a job
    main(
        manifest=str(folder / "m.json"),
        files=str(folder / "files"),
        dataset="goals",
        settings={"sources": list(sources), "licence": "AFL-3.0", "citation": "Bisk et al."},
        checksums=str(folder / "checksums"),
    )
    return dict(read_json(folder / "m.json"))


def write_files(folder: Path) -> Path:
    """Write the files of the repository below ``folder`` and return it."""
    for path, content in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def test_matching_files_are_copied_and_listed(tmp_path: Path) -> None:
    root = write_files(tmp_path / "in")
    manifest = fetch(tmp_path, {**LOCAL, "path": str(root)})
    copied = tmp_path / "files/piqa/data/valid.jsonl"
    assert manifest["sources"][0]["files"] == [
        {"path": "piqa/data/train.jsonl", "bytes": 3, "sha256": sha256(root / "data/train.jsonl")},
        {"path": "piqa/data/valid.jsonl", "bytes": 3, "sha256": sha256(copied)},
    ]
    assert (manifest["licence"], manifest["citation"]) == ("AFL-3.0", "Bisk et al.")
    assert str(tmp_path) not in (tmp_path / "m.json").read_text()
    assert not copied.samefile(root / "data/valid.jsonl")  # an edit of the original leaves the copy alone
    names = {p.name for p in (tmp_path / "files").rglob("*") if p.is_file()}
    assert names == {"valid.jsonl", "train.jsonl"}


def test_a_pattern_without_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file matches 'data/\*\.jsonl'"):
        fetch(tmp_path, {**LOCAL, "path": str(tmp_path)})


def test_the_hub_s_files_come_by_revision_and_leave_no_download_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(FakeHub(dict(FILES))) as hub:
        use(hub.address, monkeypatch, tmp_path)
        manifest = fetch(tmp_path, HUB, {**HUB, "name": "about", "files": ["*.md"]})
    first, second = manifest["sources"]
    assert (first["repo"], first["revision"], first["megabytes"]) == ("org/data", REVISION, 1.0)
    assert [entry["path"] for entry in first["files"]] == ["piqa/data/train.jsonl", "piqa/data/valid.jsonl"]
    assert [entry["path"] for entry in second["files"]] == ["about/README.md"]
    assert (tmp_path / "files/piqa/data/valid.jsonl").read_bytes() == FILES["data/valid.jsonl"]
    assert not (tmp_path / "work/downloads/datasets/goals").exists()


def test_a_fetch_that_failed_on_its_second_source_keeps_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(FakeHub(dict(FILES))) as hub:
        use(hub.address, monkeypatch, tmp_path)
        with pytest.raises(DataError, match="no file matches 'none'"):
            fetch(tmp_path, HUB, {**HUB, "name": "about", "files": ["none"]})
        assert not (tmp_path / "m.json").exists()
        before = hub.sent
        fetch(tmp_path, HUB, {**HUB, "name": "about", "files": ["*.md"]})
        assert hub.sent - before == len(FILES["README.md"])


def test_a_mirror_gives_the_same_manifest_and_the_hub_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "mirror/org/data" / REVISION)
    with serving(FakeHub(dict(FILES))) as hub:
        use(hub.address, monkeypatch, tmp_path)
        from_hub = fetch(tmp_path, HUB)
        hub.asked.clear()
        monkeypatch.setenv("PLUMBLINE_MIRROR", str(tmp_path / "mirror"))
        assert fetch(tmp_path, HUB) == from_hub
        with pytest.raises(DependencyError, match="in PLUMBLINE_MIRROR, found none"):
            fetch(tmp_path, {**HUB, "revision": "0" * 40})
        assert not hub.asked


def test_an_archive_is_unpacked_beside_itself_and_its_files_are_listed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in/data.zip", "w") as archive:
        archive.writestr("rows/train.jsonl", "{}\n")
    manifest = fetch(tmp_path, {**LOCAL, "path": str(tmp_path / "in"), "files": ["*.zip"]})
    listed = {entry["path"]: entry["sha256"] for entry in manifest["sources"][0]["files"]}
    unpacked = "piqa/data.zip.unpacked/rows/train.jsonl"
    assert set(listed) == {"piqa/data.zip", unpacked}
    assert listed[unpacked] == sha256(tmp_path / "files" / unpacked)
