"""Atomic writes, digests and formats: whole or absent, and the same bytes for the same content."""

import json
import os
import signal
import subprocess
import sys

import pyarrow as pa
import pytest

from workflow.lib import files
from workflow.lib.errors import DataError, IntegrityError


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


def test_parquet_of_the_same_rows_has_the_same_bytes(tmp_path):
    rows = pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    files.write_parquet(tmp_path / "1.parquet", rows, {"seed": 1})
    files.write_parquet(tmp_path / "2.parquet", rows, {"seed": 1})
    files.write_parquet(tmp_path / "3.parquet", rows, {"seed": 2})
    one, two, three = (files.sha256(tmp_path / f"{i}.parquet") for i in (1, 2, 3))
    assert one == two != three
    assert files.rows_of(tmp_path / "1.parquet") == rows.to_pylist()


@pytest.mark.parametrize(
    ("spoil", "told"), [("truncate", "not a whole Parquet"), ("rows", "rows: expected 9")]
)
def test_a_spoilt_parquet_file_is_refused(tmp_path, spoil, told):
    path = tmp_path / "a.parquet"
    files.write_parquet(path, pa.table({"a": [1, 2]}))
    if spoil == "truncate":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        import pyarrow.parquet as pq

        note = json.dumps({"rows": 9, "content": "0"})
        pq.write_table(pa.table({"a": [1, 2]}).replace_schema_metadata({"plumbline": note}), path)
    with pytest.raises(IntegrityError, match=told):
        files.read_parquet(path)


def test_a_flipped_value_is_found_by_its_digest(tmp_path):
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    files.write_parquet(path, pa.table({"a": [1, 2]}))
    metadata = pq.read_table(path).schema.metadata
    pq.write_table(pa.table({"a": [1, 3]}).replace_schema_metadata(metadata), path)
    with pytest.raises(IntegrityError, match="content: expected"):
        files.read_parquet(path)


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
