"""A model is put in its place without pickles or code, and described."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.fake_hub import REVISION, FakeHub, serving, use
from workflow.lib.chat import render
from workflow.lib.errors import DataError, IntegrityError
from workflow.lib.fetching import files_below
from workflow.lib.files import read_json, sha256, write_json
from workflow.lib.models import load_base, load_tokenizer
from workflow.scripts.fetch_model import main

HUB = {
    "kind": "hub",
    "repo": "some/model",
    "revision": REVISION,
    "licence": "MIT",
    "megabytes": 1.0,
}


def fetch(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Fetch a model into ``folder`` and return its manifest."""
    shutil.rmtree(folder / "s", ignore_errors=True)  # as Snakemake does before a job
    main(
        snapshot=str(folder / "s"),
        manifest=str(folder / "m.json"),
        model="remote",
        settings=settings,
        checksums=str(folder / "checksums"),
    )
    return dict(read_json(folder / "m.json"))


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
        checksums=str(tmp_path / "checksums"),
    )
    about = read_json(manifest)
    names = {entry["path"] for entry in about["files"]}
    assert names == {p.name for p in source.iterdir()} - {"pytorch_model.bin", "modeling_own.py"}
    assert all(sha256(snapshot / entry["path"]) == entry["sha256"] for entry in about["files"])
    assert (about["model"], about["kind"], about["revision"]) == ("small", "local", None)
    assert load_tokenizer(snapshot).chat_template
    hardware = {"device": "cpu", "precision": "float32", "quantisation": "none", "attention": "sdpa"}
    assert load_base(snapshot, hardware).num_parameters() == about["parameters"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a folder, found nothing at"):
        fetch(tmp_path, {"kind": "local", "path": str(tmp_path / "absent")})


def test_the_hub_is_asked_for_the_pinned_revision_without_code(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "original").mkdir()
    (source / "original/params.json").write_text("{}")  # another format of the same weights
    files = {path: (source / path).read_bytes() for path in files_below(source)}
    with serving(FakeHub(files, repo="some/model", large={"model.safetensors"})) as hub:
        use(hub.address, monkeypatch, tmp_path)
        about = fetch(tmp_path, HUB)
        got = {path.rpartition(REVISION)[2] for _, path, _ in hub.asked if "/resolve/" in path}
    left_out = {"pytorch_model.bin", "modeling_own.py", "original/params.json"}
    assert got == {f"/{path}" for path in set(files) - left_out}
    assert (about["repo"], about["revision"], about["licence"]) == ("some/model", REVISION, "MIT")
    assert (tmp_path / "s/model.safetensors").read_bytes() == files["model.safetensors"]
    assert not (tmp_path / "work/downloads/models/remote").exists()


def test_a_model_that_is_not_the_recorded_one_is_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = shutil.copytree(source, tmp_path / "mirror/some/model" / REVISION)
    record = tmp_path / "checksums/some/model" / f"{REVISION}.sha256"
    record.parent.mkdir(parents=True)
    record.write_text("".join(f"{sha256(p)}  {p.name}\n" for p in sorted(mirror.iterdir())))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_MIRROR", str(tmp_path / "mirror"))
    assert fetch(tmp_path, HUB)["parameters"] > 0
    expected = sha256(mirror / "config.json")
    config = (mirror / "config.json").read_text()
    (mirror / "config.json").unlink()  # the snapshot is a link to it
    (mirror / "config.json").write_text(config + " ")
    with pytest.raises(IntegrityError, match=f"config.json: sha256: expected {expected}, found "):
        fetch(tmp_path, HUB)


def test_a_base_model_gets_the_chat_template_that_the_config_names(source: Path, tmp_path: Path) -> None:
    lacking = read_json(source / "tokenizer_config.json") | {"bos_token": "<|user|>"}
    lacking.pop("chat_template", None)
    write_json(source / "tokenizer_config.json", lacking)
    (source / "chat_template.jinja").write_text("another one")  # the snapshot has a link to it at first
    template = Path(__file__).parents[2] / "config/templates/plain.jinja"
    main(
        snapshot=str(tmp_path / "s"),
        manifest=str(tmp_path / "m.json"),
        model="base",
        settings={"kind": "local", "path": str(source), "chat_template": "plain"},
        checksums=str(tmp_path / "checksums"),
        template=[str(template)],
    )
    tokenizer = load_tokenizer(tmp_path / "s")
    assert render(tokenizer, "Is it so?") == "<|user|>Is it so?"
    assert render(tokenizer, "Is it so?", "It is.") == "<|user|>Is it so? It is.<|end|>"
    tokenizer.bos_token = tokenizer.eos_token  # as GPT-2 has it, whose texts start with none
    assert render(tokenizer, "Is it so?", "It is.") == "Is it so? It is.<|end|>"
    assert (source / "chat_template.jinja").read_text() == "another one"
    listed = {entry["path"]: entry["sha256"] for entry in read_json(tmp_path / "m.json")["files"]}
    assert listed["chat_template.jinja"] == sha256(template)
