"""Sound archives are unpacked as they are; how bad ones are refused is in tests/faults/test_raw_files.py."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from workflow.lib import archives
from workflow.lib.archives import is_archive, is_plain, unpack
from workflow.lib.errors import DataError

CONTENT = {"train/a.jsonl": b'{"n": 1}\n' * 500, "b.txt": b"", "deep/er/c.bin": bytes(range(256)) * 300}


def write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("train")
        for name, content in CONTENT.items():
            archive.writestr(name, content)


def write_tar(path: Path) -> None:
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        folder = tarfile.TarInfo("train")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in CONTENT.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize(
    ("name", "write"),
    [("d.zip", write_zip), ("d.tar", write_tar), ("d.tar.gz", write_tar), ("d.tgz", write_tar)],
)
def test_every_file_comes_out_as_it_went_in(name, write, tmp_path: Path) -> None:
    write(tmp_path / name)
    assert is_archive(tmp_path / name)
    folder = unpack(tmp_path / name)
    assert folder == tmp_path / f"{name}.unpacked"
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == CONTENT


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", len(CONTENT))  # and one folder is one too many
    write_zip(tmp_path / "d.zip")
    with pytest.raises(DataError, match="expected at most 3 members, found 'more'"):
        unpack(tmp_path / "d.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["d.zip"]


def test_a_total_is_a_limit_whatever_the_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 50_000)
    write_tar(tmp_path / "d.tar")
    with pytest.raises(DataError, match="expected at most 50000 bytes"):
        unpack(tmp_path / "d.tar")


@pytest.mark.parametrize("name", ["a", "a/b.json", "LogicBench(Eval)/x y.json", "..a", "a..b/c"])
def test_plain_paths(name: str) -> None:
    assert is_plain(name)


@pytest.mark.parametrize("name", ["", ".", "/a", "../a", "a/../../b", "a\\b", "a\nb", "a\0b", "//a"])
def test_paths_that_lead_out_or_hide_something(name: str) -> None:
    assert not is_plain(name)
