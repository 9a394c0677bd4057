"""Raw rows with the place they were read from, and checks that name file, row and field."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow.lib.errors import DataError, problem

LONGEST_TEXT = 100_000  # characters of one field


@dataclass(frozen=True)
class Row:
    """One raw record and where it stands."""

    where: str  # file and row, as "data_instances.json row 17"
    fields: dict[str, Any]

    def text(self, name: str) -> str:
        """Return the text field ``name`` without surrounding white space; it must not be empty."""
        return str(self._checked(name, str, "a text")).strip() or str(self._fail(name, "a text with words"))

    def items(self, name: str) -> list[Any]:
        """Return the list field ``name``; it must not be empty."""
        return list(self._checked(name, list, "a list")) or self._fail(name, "a list that is not empty")

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
        if isinstance(value, str) and ("\0" in value or len(value) > LONGEST_TEXT):
            self._fail(name, f"a text without NUL of at most {LONGEST_TEXT} characters")
        return value

    def _fail(self, name: str, expected: str) -> Any:
        raise DataError(
            problem(self.where, name, expected=expected, found=self.fields[name], fix="mend or drop the row")
        )


def json_file(path: Path, root: Path) -> Row:
    """Return the JSON object in the file at ``path`` as one row, named relative to ``root``."""
    where = path.relative_to(root).as_posix()
    return Row(where, _object(_text(path, where), where))


def json_rows(path: Path, root: Path) -> Iterator[Row]:
    """Yield the objects of the JSON Lines file at ``path``."""
    name = path.relative_to(root).as_posix()
    for number, line in enumerate(_text(path, name).split("\n"), start=1):
        if line.strip():
            where = f"{name} row {number}"
            yield Row(where, _object(line, where))


def text_lines(path: Path, root: Path) -> list[str]:
    """Return the lines of the text file at ``path`` without the last empty one."""
    return _text(path, path.relative_to(root).as_posix()).rstrip("\n").split("\n")


def _text(path: Path, where: str) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8: {error}. Fix: convert the file.") from error


def _object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON: {error}. Fix: fetch the file again.") from error
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected a JSON object, found {type(value).__name__}")
    return value
