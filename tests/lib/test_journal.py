"""Journals: torn at any byte, damaged in the middle, merged, locked."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.lib import journal
from workflow.lib.errors import IntegrityError
from workflow.lib.journal import Journal, at_work, mend, merge, parts_of

# All that ends a line somewhere, or breaks a coding: but never here.
TEXTS = ["plain", "a\nb", "\u2028 \u0085 \u2029", "nul \x00", "\u202eabc", "😀 ä", ""]
RECORDS = [{"id": f"p{i}", "text": text} for i, text in enumerate(TEXTS)]


def write(folder: Path, records: list[dict[str, Any]]) -> Path:
    """Journal ``records`` in a part of their own and return it."""
    with Journal(folder) as book:
        for record in records:
            book.append(record)
    return book.path


def test_a_line_is_ascii_and_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    real = os.write
    monkeypatch.setattr(journal.os, "write", lambda fd, data: written.append(data) or real(fd, data))
    part = write(tmp_path, RECORDS)
    assert len(written) == len(RECORDS) == part.read_bytes().count(b"\n")
    assert part.read_bytes() == b"".join(written) and part.read_bytes().isascii()
    assert [json.loads(line) for line in written] == RECORDS
    assert list(merge([tmp_path]).records.values()) == RECORDS


def test_a_write_that_is_cut_short_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with Journal(tmp_path) as book:
        book.append(RECORDS[0])
        monkeypatch.setattr(journal.os, "write", lambda fd, data: real(fd, data[:5]))
        with pytest.raises(OSError, match=r"part-.*: 5 of \d+ bytes"):
            book.append(RECORDS[1])
    assert list(merge([tmp_path]).records) == ["p0"]


@pytest.mark.parametrize(("each", "seconds", "expected"), [(3, 1e9, 2 + 1), (100, 0.0, 7 + 1)])
def test_the_disk_has_every_few_records_or_seconds(
    each: int, seconds: float, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(journal.os, "fsync", synced.append)
    monkeypatch.setattr(journal, "SYNC_RECORDS", each)
    monkeypatch.setattr(journal, "SYNC_SECONDS", seconds)
    write(tmp_path, RECORDS)  # seven: after 3 and 6, or after each; and at the end
    assert len(synced) == expected


def check_cut(folder: Path, content: bytes, offset: int) -> None:
    """Cut a part at ``offset``, go on as the next attempt does, and check what is there."""
    folder.mkdir(parents=True)
    part = folder / "part-host-1-1.jsonl"
    part.write_bytes(content[:offset])
    ends = [i for i, byte in enumerate(content) if byte == ord("\n")]
    whole = sum(offset >= end for end in ends)  # a record without its line feed is complete
    fragment = content[:offset][(ends[whole - 1] + 1 if whole else 0) :]
    before = merge([folder])
    assert list(before.records.values()) == RECORDS[:whole]
    assert before.fragments == bool(fragment)
    assert mend(folder) == bool(fragment)
    torn = folder / "part-host-1-1.jsonl.torn"
    assert (torn.read_bytes() if fragment else b"") == fragment
    write(folder, [{"id": "new", "text": "of the next attempt"}])
    after = merge([folder])
    assert list(after.records) == [record["id"] for record in RECORDS[:whole]] + ["new"]
    assert (after.fragments, after.conflicts, mend(folder)) == (0, 0, 0)


def test_a_journal_cut_at_every_byte_keeps_its_records(tmp_path: Path) -> None:
    content = write(tmp_path / "whole", RECORDS).read_bytes()
    assert len(content) > 200
    for offset in range(len(content) + 1):
        check_cut(tmp_path / str(offset), content, offset)


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=4),
    where=st.floats(0, 1),
    raw=st.booleans(),
)
def test_any_text_cut_anywhere(
    texts: list[str], where: float, raw: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    records = [{"id": f"p{i}", "text": text} for i, text in enumerate(texts)]
    lines = [json.dumps(record, ensure_ascii=not raw).encode() + b"\n" for record in records]  # raw: UTF-8
    content = b"".join(lines)
    offset = round(where * len(content))
    (folder / "part-host-1-1.jsonl").write_bytes(content[:offset])
    sizes = [len(b"".join(lines[: i + 1])) - 1 for i in range(len(lines))]
    expected = records[: sum(offset >= size for size in sizes)]
    mend(folder)
    assert list(merge([folder]).records.values()) == expected


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (b'{"id": "p2", "text": }', 22),
        (b'{"id": "p2" \xff}', 13),
        (b'{"text": "no id"}', 1),
        (b'{"id": 7}', 1),
        (b"[1]", 1),
        (b"", 1),
    ],
)
def test_a_bad_line_in_the_middle_stops_with_its_place(line: bytes, column: int, tmp_path: Path) -> None:
    part = write(tmp_path, RECORDS)
    lines = part.read_bytes().split(b"\n")
    lines[2] = line
    part.write_bytes(b"\n".join(lines))
    before = part.read_bytes()
    assert mend(tmp_path) == 0
    with pytest.raises(IntegrityError, match=rf"{part.name}:3:{column}: not a journaled record\. .*Fix: "):
        merge([tmp_path])
    assert part.read_bytes() == before


def test_the_first_record_of_an_id_wins_and_conflicts_are_counted(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write(one, [{"id": "a", "text": "1"}, {"id": "a", "text": "2"}])
    write(one, [{"id": "a", "text": "1"}, {"id": "b", "text": "3"}])  # the same again is no conflict
    write(two, [{"id": "b", "text": "4"}, {"id": "c", "text": "5"}])
    merged = merge([one, two])
    assert {key: record["text"] for key, record in merged.records.items()} == {"a": "1", "b": "3", "c": "5"}
    assert merged.folders == {"a": one, "b": one, "c": two}
    assert merged.conflicts == 2


def test_parts_are_numbered_and_read_in_the_order_of_attempts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    parts = [write(tmp_path, [{"id": "a", "text": str(i)}]) for i in range(11)]
    assert [part.name for part in parts] == [f"part-77-{i}.jsonl" for i in range(1, 12)]
    assert parts_of(tmp_path) == parts  # 10 and 11 after 9
    assert merge([tmp_path]).records["a"]["text"] == "0"


def test_a_part_without_a_record_is_removed(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
    assert merge([tmp_path, tmp_path / "none"]).records == {}


HOLD = """
import sys
from pathlib import Path
from workflow.lib.journal import Journal
with Journal(Path(sys.argv[1])) as book:
    book.append({"id": "a"})
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_living_writer_is_seen_and_a_killed_one_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        assert at_work(tmp_path) == parts_of(tmp_path) != []
        process.kill()
        process.wait()
    assert at_work(tmp_path) == []
    assert list(merge([tmp_path]).records) == ["a"]


def test_a_file_system_without_locks_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(journal.fcntl, "flock", refuse)
    write(tmp_path, RECORDS[:1])
    assert at_work(tmp_path) == []
