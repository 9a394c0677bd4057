"""The adapter of a teacher is put in its place, checked against its base, and described."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.fake_hub import REVISION, FakeHub, serving, use
from tests.random_adapters import write_adapter
from workflow.lib.errors import DataError, IntegrityError
from workflow.lib.fetching import files_below
from workflow.lib.files import digest_of, read_json, sha256, write_json
from workflow.lib.lora import SETTINGS, WEIGHTS
from workflow.scripts.fetch_adapter import main

HUB = {"kind": "hub", "repo": "some/adapter", "revision": REVISION, "licence": "MIT", "megabytes": 1.0}


@pytest.fixture
def source(tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an adapter of the model "tiny" and files that must not come along."""
    monkeypatch.chdir(tmp_path)
    write_json("base.json", {"model": "tiny", "repo": "org/tiny", "path": None})
    folder = write_adapter(tiny_llama, tmp_path / "source", 1)
    (folder / "adapter_model.bin").write_bytes(b"a pickle")
    (folder / "optimizer.pt").write_bytes(b"another")
    return folder


def fetch(settings: dict[str, Any], snapshot: Path) -> dict[str, Any]:
    main(
        local=[],
        base="base.json",
        snapshot=str(snapshot),
        adapter=f"place/{WEIGHTS}",
        manifest="manifest.json",
        name="tutor",
        settings=settings,
        checksums="checksums",
    )
    return dict(read_json("manifest.json"))


def check(about: dict[str, Any], source: Path) -> None:
    """Assert that the two files came whole and alone, and that their digest is on record."""
    digests = {name: sha256(source / name) for name in (WEIGHTS, SETTINGS)}
    assert {name: sha256(Path("place") / name) for name in (WEIGHTS, SETTINGS)} == digests
    assert sorted(files_below(Path("place"))) == [SETTINGS, WEIGHTS]
    assert (about["teacher"], about["rank"], len(about["modules"])) == ("tutor", 4, 7)
    assert (about["files"], about["digest"]) == (digests, digest_of(digests))


def test_a_local_folder_gives_its_two_files(source: Path, tiny_llama: Path) -> None:
    about = fetch({"kind": "local", "path": str(source)}, tiny_llama)
    check(about, source)
    assert (about["kind"], about["path"], about["repo"]) == ("local", str(source), None)
    check(fetch({"kind": "local", "path": str(source)}, tiny_llama), source)  # over what is there


def test_the_hub_is_asked_for_the_pinned_revision(
    source: Path, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = source / SETTINGS
    settings.write_text(settings.read_text().replace('"tiny"', '"org/tiny"'))  # as its author knows it
    files = {path: (source / path).read_bytes() for path in files_below(source)}
    with serving(FakeHub(files, repo="some/adapter", large={WEIGHTS})) as hub:
        use(hub.address, monkeypatch, tmp_path)
        about = fetch(HUB, tiny_llama)
        got = {path.rpartition(REVISION)[2] for _, path, _ in hub.asked if "/resolve/" in path}
    check(about, source)
    assert got == {f"/{WEIGHTS}", f"/{SETTINGS}"}
    assert (about["repo"], about["revision"], about["licence"]) == ("some/adapter", REVISION, "MIT")
    assert not Path("work/downloads/adapters/tutor").exists()


def test_files_that_are_not_the_recorded_ones_are_refused(
    source: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(source, Path("mirror/some/adapter") / REVISION)
    monkeypatch.setenv("PLUMBLINE_MIRROR", "mirror")
    record = Path("checksums/some/adapter") / f"{REVISION}.sha256"
    record.parent.mkdir(parents=True)
    record.write_text(f"{sha256(source / WEIGHTS)}  {WEIGHTS}\n{'0' * 64}  {SETTINGS}\n")
    with pytest.raises(IntegrityError, match=f"{SETTINGS}: sha256: expected {'0' * 64}, found "):
        fetch(HUB, tiny_llama)
    assert not Path("manifest.json").exists()


def test_an_adapter_of_another_base_is_refused(source: Path, tiny_llama: Path) -> None:
    settings = source / SETTINGS
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"base_model_name_or_path": "gpt2"}))
    with pytest.raises(IntegrityError, match=r"adapter of 'tiny' or 'org/tiny', found LORA of 'gpt2'"):
        fetch({"kind": "local", "path": str(source)}, tiny_llama)
    assert not Path("manifest.json").exists()


def test_a_folder_without_an_adapter_is_told(source: Path, tiny_llama: Path) -> None:
    (source / WEIGHTS).unlink()
    with pytest.raises(DataError, match=rf"{WEIGHTS} missing\. Fix: name a folder in PEFT's layout"):
        fetch({"kind": "local", "path": str(source)}, tiny_llama)
