"""A local model is put in its place without pickles or code, and described."""

import shutil
from pathlib import Path

import pytest

from workflow.lib.errors import DataError
from workflow.lib.files import read_json, sha256
from workflow.lib.models import load_base, load_tokenizer
from workflow.scripts import fetch_model
from workflow.scripts.fetch_model import main


@pytest.fixture
def source(tiny_llama: Path, tmp_path: Path) -> Path:
    folder = shutil.copytree(tiny_llama, tmp_path / "source")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling_own.py").write_text("raise SystemExit\n")
    return folder


def test_a_local_folder_becomes_a_snapshot(source: Path, tmp_path: Path) -> None:
    snapshot, manifest = tmp_path / "snapshot", tmp_path / "manifest.json"
    main(
        snapshot=str(snapshot),
        manifest=str(manifest),
        model="small",
        settings={"kind": "local", "path": str(source)},
    )
    about = read_json(manifest)
    names = {entry["path"] for entry in about["files"]}
    assert names == {p.name for p in source.iterdir()} - {"pytorch_model.bin", "modeling_own.py"}
    assert all(sha256(snapshot / entry["path"]) == entry["sha256"] for entry in about["files"])
    assert (about["model"], about["kind"], about["revision"]) == ("small", "local", None)
    assert load_tokenizer(snapshot).chat_template
    hardware = {"device": "cpu", "precision": "float32", "attention": "sdpa"}
    assert load_base(snapshot, hardware).num_parameters() == about["parameters"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a folder, found nothing at"):
        main(
            snapshot=str(tmp_path / "s"),
            manifest=str(tmp_path / "m.json"),
            model="none",
            settings={"kind": "local", "path": str(tmp_path / "absent")},
        )


def test_the_hub_is_asked_for_the_pinned_revision_without_code(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}

    def stand_in(repo: str, **options: object) -> None:
        asked.update(options, repo=repo)
        fetch_model.link_local({"path": str(source)}, Path(str(options["local_dir"])))

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.snapshot_download", stand_in)
    settings = {"kind": "hub", "repo": "some/model", "revision": "0" * 40}
    main(snapshot=str(tmp_path / "s"), manifest=str(tmp_path / "m.json"), model="remote", settings=settings)
    assert (asked["repo"], asked["revision"]) == ("some/model", "0" * 40)
    assert not [p for p in asked["allow_patterns"] if p.endswith((".py", ".bin", ".pt", "*"))]
    assert read_json(tmp_path / "m.json")["revision"] == "0" * 40
