"""Raw files that are not what they were: rows 35 (Parquet), 36 (another revision) and 37 (archives)."""

import io
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fake_hub import REVISION, FakeHub, serving, use
from workflow.lib.datasets.raw import parquet_rows
from workflow.lib.errors import DataError, IntegrityError
from workflow.lib.files import read_json, sha256
from workflow.lib.manifests import check_files
from workflow.scripts.fetch_dataset import main

SOURCE = {"name": "raw", "adapter": "piqa", "into": "all"}


def fetch(folder: Path, source: dict[str, Any]) -> list[dict[str, Any]]:
    """Fetch one source into ``folder`` and return the files on the manifest."""
    shutil.rmtree(folder / "files", ignore_errors=True)  # as Snakemake does before a job
    main(
        manifest=str(folder / "m.json"),
        files=str(folder / "files"),
        dataset="d",
        settings={"sources": [{**SOURCE, **source}], "licence": "MIT", "citation": "nobody"},
        checksums=str(folder / "checksums"),
    )
    return list(read_json(folder / "m.json")["sources"][0]["files"])


def on_disk(folder: Path) -> set[str]:
    """Return the files below ``folder``."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# --- row 35: Parquet ----------------------------------------------------------------------------------------


def write_parquet(path: Path, version: str = "2.6") -> None:
    """Write a thousand rows whose values are stored plainly, so that a flipped byte is another value."""
    table = pa.table({"goal": [f"goal {i}" for i in range(1000)], "label": list(range(1000))})
    pq.write_table(table, path, version=version, compression="none", use_dictionary=False)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"goal 500")] ^= 1
    path.write_bytes(bytes(content))


def replace(path: Path) -> None:
    path.write_text("<html>Too many requests</html>")


def rewrite(path: Path) -> None:
    write_parquet(path, version="1.0")  # the same rows in the format's other version


DAMAGES = [truncate, flip, replace, rewrite]


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """Return a sound Parquet file in a folder of its own."""
    (tmp_path / "in").mkdir()
    write_parquet(tmp_path / "in/rows.parquet")
    return tmp_path / "in/rows.parquet"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_changed_after_it_was_fetched(
    damage: Callable[[Path], None], parquet: Path, tmp_path: Path
) -> None:
    entries = fetch(tmp_path, {"kind": "local", "path": str(parquet.parent), "files": ["*.parquet"]})
    check_files(tmp_path / "files", entries)
    fetched, expected = tmp_path / "files/raw/rows.parquet", sha256(parquet)
    damage(fetched)
    told = f"raw/rows.parquet: sha256: expected {expected}, found {sha256(fetched)}"
    with pytest.raises(IntegrityError, match=told) as caught:
        check_files(tmp_path / "files", entries)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_not_the_one_on_record(
    damage: Callable[[Path], None], parquet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = shutil.copytree(parquet.parent, tmp_path / "mirror/org/data" / REVISION)
    record = tmp_path / f"checksums/org/data/{REVISION}.sha256"
    record.parent.mkdir(parents=True)
    record.write_text(f"{sha256(parquet)}  rows.parquet\n")
    monkeypatch.setenv("PLUMBLINE_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.chdir(tmp_path)
    hub = {"kind": "hub", "repo": "org/data", "revision": REVISION, "megabytes": 1, "files": ["*.parquet"]}
    fetch(tmp_path, hub)
    (tmp_path / "m.json").unlink()
    (mirror / "rows.parquet").unlink()
    shutil.copy(parquet, mirror)
    damage(mirror / "rows.parquet")
    found = sha256(mirror / "rows.parquet")
    with pytest.raises(
        IntegrityError, match=f"rows.parquet: sha256: expected {sha256(parquet)}, found {found}"
    ):
        fetch(tmp_path, hub)
    assert not (tmp_path / "m.json").exists()


@pytest.mark.parametrize("damage", [truncate, replace])
def test_a_file_that_never_was_whole(damage: Callable[[Path], None], parquet: Path) -> None:
    assert len(list(parquet_rows(parquet, parquet.parent))) == 1000
    damage(parquet)
    with pytest.raises(IntegrityError, match=r"rows\.parquet: not a whole Parquet file"):
        list(parquet_rows(parquet, parquet.parent))


def test_a_flipped_byte_reads_fine_so_only_the_digest_shows_it(parquet: Path) -> None:
    before = list(parquet_rows(parquet, parquet.parent))
    flip(parquet)
    after = list(parquet_rows(parquet, parquet.parent))
    assert [row.fields["goal"] for b, row in zip(before, after, strict=True) if b != row] == ["foal 500"]


# --- row 36: another revision, other content ----------------------------------------------------------------


def trick(hub: FakeHub, name: str) -> str:
    """Play a trick and return what the one line about it says."""
    if name == "moved":
        hub.commit = "f" * 40
        return f"revision: expected {REVISION}, found {'f' * 40}"
    if name == "gone":
        hub.status, hub.code = 404, "RevisionNotFound"
        return f"revision: expected {REVISION}, found none of that name"
    entry = hub.entry("rows.jsonl", hub.files["rows.jsonl"])
    if name == "changed behind the listing":
        hub.serves["rows.jsonl"] = b'{"n": 2}\n'
        return f"rows.jsonl: sha1: expected {entry['oid']}, found "
    hub.files["rows.jsonl"] = b'{"n": 2}\n'  # listing and content agree: a rewritten history, or a mirror
    return "rows.jsonl: sha256: expected "


@pytest.mark.parametrize("name", ["moved", "gone", "changed behind the listing", "changed with the listing"])
def test_never_silently_new_data(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = {"kind": "hub", "repo": "org/data", "revision": REVISION, "megabytes": 1, "files": ["*.jsonl"]}
    with serving(FakeHub({"rows.jsonl": b'{"n": 1}\n'})) as served:
        use(served.address, monkeypatch, tmp_path)
        fetched = fetch(tmp_path, hub)
        record = tmp_path / f"checksums/org/data/{REVISION}.sha256"
        record.parent.mkdir(parents=True)
        record.write_text(f"{fetched[0]['sha256']}  rows.jsonl\n")
        assert fetch(tmp_path, hub) == fetched  # the same bytes again
        (tmp_path / "m.json").unlink()
        told = trick(served, name)
        with pytest.raises(IntegrityError, match=re.escape(told)) as caught:
            fetch(tmp_path, hub)
    assert caught.value.exit_code == 4 and "\n" not in str(caught.value)
    assert not (tmp_path / "m.json").exists()


# --- row 37: archives ---------------------------------------------------------------------------------------


def zip_of(path: Path, *members: tuple[str, bytes], mode: int = 0) -> None:
    """Write a zip archive; ``mode`` is that of its last member."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, content) in enumerate(members, start=1):
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (mode if number == len(members) else 0) << 16
            archive.writestr(entry, content)


def tar_of(path: Path, *members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> None:
    """Write a tar archive; ``kind`` is that of its last member, and a link's content its target."""
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        for number, (name, content) in enumerate(members, start=1):
            entry = tarfile.TarInfo(name)
            entry.type = kind if number == len(members) else tarfile.REGTYPE
            if entry.type == tarfile.REGTYPE:
                entry.size = len(content)
            else:
                entry.linkname = content.decode()
            archive.addfile(entry, io.BytesIO(content))


GOOD = ("good.jsonl", b"{}\n")
ZEROS = ("zeros.jsonl", bytes(20_000_000))  # a thousandth of it when compressed
OUTSIDE = "paths that stay inside"
ELSEWHERE = str(Path(tempfile.gettempdir(), "evil.jsonl"))
ONLY = "files and folders only"
TRICKS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "zip, parent": ("a.zip", lambda p: zip_of(p, GOOD, ("../evil.jsonl", b"x")), OUTSIDE),
    "zip, deep parent": ("a.zip", lambda p: zip_of(p, GOOD, ("d/../../evil.jsonl", b"x")), OUTSIDE),
    "zip, absolute": ("a.zip", lambda p: zip_of(p, GOOD, (ELSEWHERE, b"x")), OUTSIDE),
    "zip, backslash": ("a.zip", lambda p: zip_of(p, GOOD, ("..\\evil.jsonl", b"x")), OUTSIDE),
    "zip, link": ("a.zip", lambda p: zip_of(p, GOOD, ("l", b"/etc"), mode=stat.S_IFLNK | 0o777), ONLY),
    "zip, ratio": ("a.zip", lambda p: zip_of(p, GOOD, ZEROS), "at most"),
    "zip, twice": ("a.zip", lambda p: zip_of(p, GOOD, ("x", b"1"), ("./x", b"2")), "every path once"),
    "zip, file as folder": (
        "a.zip",
        lambda p: zip_of(p, GOOD, ("x", b"1"), ("x/y", b"2")),
        "every path once",
    ),
    "tar, parent": ("a.tar", lambda p: tar_of(p, GOOD, ("../evil.jsonl", b"x")), OUTSIDE),
    "tar, absolute": ("a.tar.gz", lambda p: tar_of(p, GOOD, (ELSEWHERE, b"x")), OUTSIDE),
    "tar, symbolic link": ("a.tar", lambda p: tar_of(p, GOOD, ("l", b"/etc"), kind=tarfile.SYMTYPE), ONLY),
    "tar, hard link": ("a.tgz", lambda p: tar_of(p, GOOD, ("l", b"../../m"), kind=tarfile.LNKTYPE), ONLY),
    "tar, pipe": ("a.tar", lambda p: tar_of(p, GOOD, ("l", b""), kind=tarfile.FIFOTYPE), ONLY),
    "tar, ratio": ("a.tar.gz", lambda p: tar_of(p, GOOD, ZEROS), "at most"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", TRICKS)
def test_an_archive_with_a_trick_is_refused_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    file, write, told = TRICKS[name]
    (tmp_path / "in").mkdir()
    write(tmp_path / "in" / file)
    with pytest.raises(DataError, match=f"{re.escape(file)}: refused: expected {told}") as caught:
        fetch(tmp_path, {"kind": "local", "path": str(tmp_path / "in"), "files": ["*"]})
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    assert on_disk(tmp_path) == {f"in/{file}", f"files/raw/{file}"}
    assert not Path(ELSEWHERE).exists()


@pytest.mark.parametrize("file", ["a.zip", "a.tar", "a.tar.gz"])
def test_a_damaged_archive_is_an_integrity_error(file: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write = zip_of if file.endswith("zip") else tar_of
    write(tmp_path / "in" / file, GOOD, ("more.jsonl", bytes(range(256)) * 500))
    content = (tmp_path / "in" / file).read_bytes()
    for damaged in (content[: len(content) // 2], b"<html>" + content[6:60]):
        (tmp_path / "in" / file).write_bytes(damaged)
        with pytest.raises(IntegrityError, match=f"{re.escape(file)}: not a whole archive"):
            fetch(tmp_path, {"kind": "local", "path": str(tmp_path / "in"), "files": ["*"]})
        assert on_disk(tmp_path) == {f"in/{file}", f"files/raw/{file}"}


def test_an_archive_with_a_password_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    zip_of(tmp_path / "in/a.zip", GOOD)
    content = bytearray((tmp_path / "in/a.zip").read_bytes())
    content[6] |= 1  # the flag in the member's own header, and in the directory at the end
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "in/a.zip").write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"expected no password, found 'one on good\.jsonl'"):
        fetch(tmp_path, {"kind": "local", "path": str(tmp_path / "in"), "files": ["*"]})
