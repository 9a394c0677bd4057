"""Raw rows with the place they were read from, and checks that name file, row and field."""

import codecs
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Encoding, Tokenizer

from workflow.lib.errors import DataError, IntegrityError, problem

LONGEST_TEXT = 1_000_000  # characters of one field; long traces of thought pass 100,000
UNSOUND = f"NUL or half a character (lone surrogate), of at most {LONGEST_TEXT} characters"
LONGEST_LINE = 10_000_000  # bytes of one row
ROWS_AT_ONCE = 1000  # of a Parquet file


@dataclass(frozen=True)
class Source:
    """Raw files of one source of a dataset, and how the study wants them read."""

    folder: Path
    dataset: str
    name: str
    options: Mapping[str, Any]  # of the adapter, as the config has them
    tokenizer: Tokenizer | None  # of the model that the options name, where lengths are in tokens

    def encode(self, text: str) -> Encoding:
        """Return the tokens of ``text``, without special ones."""
        if self.tokenizer is None:
            raise DataError(f"source '{self.name}': no tokenizer. Fix: name a model in options.tokenizer.")
        return self.tokenizer.encode(text, add_special_tokens=False)


@dataclass(frozen=True)
class Skipped:
    """A row that is left out on purpose, and why; every one is counted."""

    source: str  # file and row
    reason: str


@dataclass(frozen=True)
class Row:
    """One raw record and where it stands."""

    where: str  # file and row, as "data_instances.json row 17"
    fields: dict[str, Any]

    def has(self, name: str) -> bool:
        """Return whether the field ``name`` is there and not null."""
        return name in self.fields and self.fields[name] is not None

    def first_of(self, names: Sequence[str]) -> str:
        """Return the first of ``names`` that the row has; it must have one of them."""
        found = next((name for name in names if self.has(name)), None)
        if found is None:
            expected, fix = f"one of the columns {', '.join(names)}", "see docs/datasets.md"
            raise DataError(
                problem(self.where, names[0], expected=expected, found=sorted(self.fields), fix=fix)
            )
        return found

    def text(self, name: str) -> str:
        """Return the text field ``name`` without surrounding white space; it must not be empty."""
        return self._text(name).strip() or str(self._fail(name, "a text with words"))

    def text_or_empty(self, name: str) -> str:
        """Return the text field ``name`` without surrounding white space; null is as good as empty."""
        return "" if name in self.fields and self.fields[name] is None else self._text(name).strip()

    def whole(self, name: str) -> int:
        """Return the field ``name``, which must be a whole number."""
        value = self._checked(name, int, "a whole number")
        return self._fail(name, "a whole number") if isinstance(value, bool) else int(value)

    def items(self, name: str) -> list[Any]:
        """Return the list field ``name``; it must not be empty."""
        return list(self._checked(name, list, "a list")) or self._fail(name, "a list that is not empty")

    def texts(self, name: str) -> list[str]:
        """Return the list field ``name`` of texts without surrounding white space; some may be empty."""
        values = self._checked(name, list, "a list of texts")
        if all(isinstance(v, str) and _is_sound(v) for v in values):
            return [v.strip() for v in values]
        return list(self._fail(name, f"a list of texts without {UNSOUND}"))

    def part(self, name: str) -> "Row":
        """Return the object in the field ``name`` as a row of its own."""
        return Row(f"{self.where} {name}", self._checked(name, dict, "an object"))

    def parts(self, name: str, called: str) -> list["Row"]:
        """Return the objects in the list field ``name``; each is named ``called`` and its number."""
        values = self.items(name)
        if not all(isinstance(value, dict) for value in values):
            self._fail(name, "a list of objects")
        return [Row(f"{self.where} {called} {n}", value) for n, value in enumerate(values, start=1)]

    def one_of(self, name: str, allowed: Sequence[Any]) -> Any:
        """Return the field ``name``, which must be one of ``allowed``."""
        value = self._checked(name, object, "a value")
        return value if value in allowed else self._fail(name, " or ".join(map(repr, allowed)))

    def _checked(self, name: str, kind: type, expected: str) -> Any:
        if name not in self.fields:
            raise DataError(
                problem(
                    self.where, name, expected=expected, found=sorted(self.fields), fix="see docs/datasets.md"
                )
            )
        value = self.fields[name]
        if not isinstance(value, kind):
            self._fail(name, expected)
        if isinstance(value, str) and not _is_sound(value):
            self._fail(name, f"a text without {UNSOUND}")
        return value

    def _text(self, name: str) -> str:
        return str(self._checked(name, str, "a text"))

    def _fail(self, name: str, expected: str) -> Any:
        raise DataError(
            problem(self.where, name, expected=expected, found=self.fields[name], fix="mend or drop the row")
        )


def _is_sound(text: str) -> bool:
    # JSON can escape half of a surrogate pair: such a text cannot be written to any file of ours.
    if "\0" in text or len(text) > LONGEST_TEXT:
        return False
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def json_file(path: Path, root: Path) -> Row:
    """Return the JSON object in the file at ``path`` as one row, named relative to ``root``."""
    where = path.relative_to(root).as_posix()
    return Row(where, _object(_text(path.read_bytes(), where), where))


def json_rows(path: Path, root: Path) -> Iterator[Row]:
    """Yield the objects of the JSON Lines file at ``path``, one line in memory at a time."""
    for where, line in _lines(path, root):
        yield Row(where, _object(line, where))


def csv_rows(path: Path, root: Path) -> Iterator[Row]:
    """Yield the records of the CSV file at ``path``, whose first line names the columns."""
    name = path.relative_to(root).as_posix()
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream, strict=True)
        try:
            names = reader.fieldnames or []
            twice = sorted({column for column in names if names.count(column) > 1})
            if twice:
                raise DataError(f"{name}: columns {twice} stand there twice. Fix: rename one of them.")
            for number, record in enumerate(reader, start=1):
                where = f"{name} row {number}"
                if None in record or None in record.values():
                    raise DataError(f"{where}: expected {len(names)} columns. Fix: mend or drop the row.")
                yield Row(where, dict(record))
        except UnicodeDecodeError as error:
            raise DataError(f"{name}: not UTF-8: {error}. Fix: convert the file.") from error
        except csv.Error as error:
            raise DataError(
                f"{name} line {reader.reader.line_num}: not CSV: {error}. Fix: mend the line."
            ) from error


def parquet_rows(path: Path, root: Path) -> Iterator[Row]:
    """Yield the rows of the Parquet file at ``path``, a thousand in memory at a time."""
    name = path.relative_to(root).as_posix()
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE):
                for fields in batch.to_pylist():
                    number += 1
                    yield Row(f"{name} row {number}", fields)
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 after row {number}: {error}. Fix: convert the file.") from error
    except (pa.ArrowException, OSError) as error:
        raise IntegrityError(f"{name}: not a whole Parquet file: {error}. Fix: fetch it again.") from error


def text_lines(path: Path, root: Path) -> Iterator[str]:
    """Yield the lines of the text file at ``path`` that hold anything, one in memory at a time."""
    for _, line in _lines(path, root):
        yield line.strip()


READERS = {".jsonl": json_rows, ".csv": csv_rows, ".parquet": parquet_rows}


def table_rows(root: Path) -> Iterator[Row]:
    """Yield the rows of every JSON Lines, CSV and Parquet file below ``root``, by path; none may be empty.

    ``planted.jsonl`` is not among them: it tells which problems are known to be bad.
    """
    paths = sorted(p for p in root.rglob("*") if p.suffix in READERS and p.name != "planted.jsonl")
    if not paths:
        raise DataError(f"{root.name}: no file ends in {', '.join(READERS)}. Fix: see 'files' of the source.")
    for path in paths:
        row = None
        for row in READERS[path.suffix](path, root):
            yield row
        if row is None:
            raise DataError(f"{path.relative_to(root).as_posix()}: no rows. Fix: fill or leave out the file.")


def _lines(path: Path, root: Path) -> Iterator[tuple[str, str]]:
    name = path.relative_to(root).as_posix()
    with path.open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(LONGEST_LINE + 1), b""), start=1):
            where = f"{name} row {number}"
            if len(line) > LONGEST_LINE:
                raise DataError(f"{where}: expected at most {LONGEST_LINE} bytes. Fix: drop the row.")
            plain = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            if plain.strip():
                yield where, _text(plain, where)


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8: {error}. Fix: convert the file.") from error


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
        raise DataError(f"{where}: not JSON: {error}. Fix: fetch the file again.") from error
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected a JSON object, found {type(value).__name__}")
    return value
