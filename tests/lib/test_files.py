"""Atomic writes, digests and formats: whole or absent, and the same bytes for the same content."""

import os
import signal
import subprocess
import sys

import pytest

from workflow.lib import files
from workflow.lib.errors import DataError


def test_an_error_inside_the_block_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt"]


def test_a_killed_writer_leaves_no_file_at_the_final_path(tmp_path):
    program = (
        "import os, signal, sys\nfrom workflow.lib.files import replacing\n"
        "with replacing(sys.argv[1]) as t:\n    t.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.txt")])
    assert done.returncode == -signal.SIGKILL
    left = [p.name for p in tmp_path.iterdir()]
    assert len(left) == 1 and left[0].startswith(".a.txt.tmp.")


def test_a_full_disk_is_named_and_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"could not write .*a\.txt: No space left"):
        files.write_text(path, "new")
    assert path.read_text() == "old"


def test_stale_temporary_files_are_swept_and_fresh_ones_are_not(tmp_path):
    stale, fresh = tmp_path / ".a.txt.tmp.host.1.0", tmp_path / ".a.txt.tmp.host.2.0"
    stale.write_text("")
    fresh.write_text("")
    os.utime(stale, (0, 0))
    files.write_text(tmp_path / "a.txt", "new")
    assert not stale.exists() and fresh.exists()


def test_json_lines_survive_line_separators_that_are_not_line_feeds(tmp_path):
    records = [{"text": "one\u2028two\x85three\u202efour"}, {"text": "🙂\n"}]
    files.write_jsonl(tmp_path / "a.jsonl", records)
    assert files.read_jsonl(tmp_path / "a.jsonl") == records
    assert (tmp_path / "a.jsonl").read_bytes().isascii()


def test_a_bad_json_line_is_told_with_its_row(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(DataError, match=r"a\.jsonl:2: not a JSON record"):
        files.read_jsonl(path)


def test_json_refuses_not_a_number(tmp_path):
    with pytest.raises(ValueError):
        files.write_json(tmp_path / "a.json", {"a": float("nan")})
    assert not (tmp_path / "a.json").exists()
