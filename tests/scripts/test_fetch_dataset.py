"""Fetching: local files are copied with digests, and nothing of this machine enters the manifest."""

import pytest

from workflow.lib.errors import DataError
from workflow.lib.files import read_json, sha256
from workflow.scripts.fetch_dataset import main

SOURCE = {"name": "piqa", "kind": "local", "adapter": "piqa", "into": "test", "files": ["data/*.jsonl"]}


def settings(path) -> dict:
    return {"sources": [{**SOURCE, "path": str(path)}], "licence": "AFL-3.0", "citation": "Bisk et al."}


def test_matching_files_are_copied_and_listed(tmp_path):
    (tmp_path / "in/data").mkdir(parents=True)
    (tmp_path / "in/data/valid.jsonl").write_text("{}\n")
    (tmp_path / "in/data/other.txt").write_text("not asked for")
    main(
        manifest=str(tmp_path / "m.json"),
        files=str(tmp_path / "files"),
        dataset="goals",
        settings=settings(tmp_path / "in"),
    )
    manifest = read_json(tmp_path / "m.json")
    copied = tmp_path / "files/piqa/data/valid.jsonl"
    assert manifest["sources"][0]["files"] == [
        {"path": "piqa/data/valid.jsonl", "bytes": 3, "sha256": sha256(copied)}
    ]
    assert manifest["licence"] == "AFL-3.0" and str(tmp_path) not in (tmp_path / "m.json").read_text()
    assert [p.name for p in (tmp_path / "files").rglob("*") if p.is_file()] == ["valid.jsonl"]


def test_a_pattern_without_files_is_told(tmp_path):
    with pytest.raises(DataError, match=r"no file matches 'data/\*\.jsonl'"):
        main(
            manifest=str(tmp_path / "m.json"),
            files=str(tmp_path / "files"),
            dataset="goals",
            settings=settings(tmp_path),
        )
