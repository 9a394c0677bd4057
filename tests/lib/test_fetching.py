"""Patterns, mirrors and digests on record."""

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from tests.fake_hub import REVISION
from tests.studies import ROOT
from workflow.lib.errors import DataError, DependencyError, IntegrityError
from workflow.lib.fetching import check_record, choose, files_below, matches, mirrored, place, read_record


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("data/a/b/x.json", "data/**/x.json", True),
        ("data/x.json", "data/**/x.json", True),  # no folder is a number of folders, too
        ("data/a/x.json", "data/*.json", False),  # one star stays in its folder
        ("data/LogicBench(Aug)/r/x.json", "data/LogicBench(Aug)/**/*.json", True),
        ("original/params.json", "*.json", False),
        ("config.json", "*.json", True),
        ("data/a", "data/**", True),
        ("X.json", "x.json", False),
    ],
)
def test_patterns_mean_what_they_mean_in_a_folder(path: str, pattern: str, expected: bool) -> None:
    assert matches(path, pattern) is expected


def test_patterns_agree_with_a_folder_on_the_disk(tmp_path: Path) -> None:
    paths = [f"{a}{b}{c}" for a in ("", "d/", "d/e/", "f/d/") for b in ("x", "y") for c in (".json", ".txt")]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert files_below(tmp_path) == sorted(paths)
    for pattern in ("*.json", "d/*", "d/**/*.json", "**/x.*", "**/d/*.txt", "*/*/y.json"):
        on_disk = {p.relative_to(tmp_path).as_posix() for p in tmp_path.glob(pattern) if p.is_file()}
        assert on_disk and {path for path in paths if matches(path, pattern)} == on_disk, pattern


def test_every_pattern_must_mean_a_file() -> None:
    assert choose(["b", "a", "c.txt"], ["a", "?"], "here") == ["a", "b"]
    with pytest.raises(DataError, match=r"here: no file matches '\*\.json'"):
        choose(["a"], ["a", "*.json"], "here")


def test_a_mirror_is_a_folder_of_addresses_or_a_cache_of_the_hub(tmp_path: Path) -> None:
    plain, cached = tmp_path / "plain/org/data" / REVISION, tmp_path / "hub/datasets--org--data/snapshots"
    plain.mkdir(parents=True)
    (cached / REVISION).mkdir(parents=True)
    assert mirrored(tmp_path / "plain", "dataset", "org/data", REVISION) == plain
    assert mirrored(tmp_path / "hub", "dataset", "org/data", REVISION) == cached / REVISION
    with pytest.raises(DependencyError, match=f"the folder .*/org/data/{REVISION} in PLUMBLINE_MIRROR"):
        mirrored(tmp_path / "hub", "model", "org/data", REVISION)


def test_files_of_a_cache_are_links_and_arrive_as_files(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text("content")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x.json").symlink_to(tmp_path / "blob")
    place(["x.json"], tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out/x.json").is_symlink() and (tmp_path / "out/x.json").read_text() == "content"


def test_records_are_those_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(f"{'a' * 64}  data/x y.json\n{'b' * 64} *./z\n")
    assert read_record(tmp_path / "r") == {"data/x y.json": "a" * 64, "z": "b" * 64}
    assert read_record(tmp_path / "none") == {}
    (tmp_path / "r").write_text(f"{'a' * 64}  x\nabc  y\n")
    with pytest.raises(DataError, match=r"r:2: expected a SHA-256, two spaces and a path, found 'abc  y'"):
        read_record(tmp_path / "r")


def test_the_documented_command_makes_a_record(tmp_path: Path) -> None:
    page = (ROOT / "docs/datasets.md").read_text()
    command = re.search(r"; (find \. .*?)\) >> config/checksums/OWNER", page)[1]
    for path in ("data/x y.json", "z.zip", "z.zip.unpacked/inside.json"):
        (tmp_path / "in" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / path).write_text(path)
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path / "in", capture_output=True, check=True)
    (tmp_path / "r").write_bytes(done.stdout)
    expected = {path: hashlib.sha256(path.encode()).hexdigest() for path in ("data/x y.json", "z.zip")}
    assert read_record(tmp_path / "r") == expected


def test_what_is_on_record_must_come_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "org/data").mkdir(parents=True)
    (tmp_path / "org/data" / f"{REVISION}.sha256").write_text(f"{'a' * 64}  x\n{'b' * 64}  y\n")
    check_record({"x": "a" * 64}, tmp_path, "org/data", REVISION)  # another study may take less
    check_record({"x": "c" * 64}, tmp_path, "org/data", "0" * 40)  # nothing is on record there
    with pytest.raises(IntegrityError, match=f"x: sha256: expected {'a' * 64}, found {'c' * 64}"):
        check_record({"x": "c" * 64, "y": "b" * 64}, tmp_path, "org/data", REVISION)
    with pytest.raises(IntegrityError, match=f"z: sha256: expected a digest on record, found {'a' * 64}"):
        check_record({"x": "a" * 64, "z": "a" * 64}, tmp_path, "org/data", REVISION)
