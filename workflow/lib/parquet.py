"""Parquet files that know their rows and their content: streamed, compressed, same rows same bytes."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workflow.lib.errors import IntegrityError
from workflow.lib.files import replacing

ROW_GROUP = 32_768  # rows; fixed, so that the bytes do not depend on the pieces the rows came in
NOTE = b"plumbline"  # key of the note in the file's metadata


def stream_parquet(
    path: str | Path, schema: pa.Schema, tables: Iterable[pa.Table], note: dict[str, Any] | None = None
) -> int:
    """Write ``tables``, one after the other, to ``path`` with zstd, and return the number of rows.

    Args:
        path: Destination.
        schema: Columns of every table.
        tables: Rows, in an order that the caller fixed; one row group is in memory at a time.
        note: What a reader should know of the file (inputs, seed, …), kept in its metadata under
            ``plumbline`` with the number of rows and a digest of the content.
    """
    plain = schema.remove_metadata()
    digest = _Digest()
    with replacing(path) as temporary:
        options = {"compression": "zstd", "write_statistics": False}
        with pq.ParquetWriter(temporary, plain, **options) as writer:
            for group in _row_groups(plain, tables):
                writer.write_table(group, row_group_size=ROW_GROUP)
                digest.add(group)
            about = {"rows": digest.rows, "content": digest.hexadecimal(), **(note or {})}
            writer.add_key_value_metadata({NOTE: json.dumps(about, sort_keys=True)})
    return digest.rows


def write_parquet(path: str | Path, table: pa.Table, note: dict[str, Any] | None = None) -> None:
    """Write ``table`` to ``path`` as ``stream_parquet`` does."""
    stream_parquet(path, table.schema, [table], note)


def tables_of(path: str | Path, schema: pa.Schema | None = None) -> Iterator[pa.Table]:
    """Yield the row groups of the file at ``path``, then check rows and digest.

    Args:
        path: A file that ``stream_parquet`` wrote, or any Parquet file, of which nothing is known.
        schema: Columns that the file must have.

    Raises:
        IntegrityError: The file is not whole, not the one that was written, or has other columns.
    """
    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow.remove_metadata()
            if schema is not None and not found.equals(schema):
                raise IntegrityError(f"{path}: expected the columns {schema}, found {found}")
            digest = _Digest()
            for number in range(file.num_row_groups):
                table = file.read_row_group(number).replace_schema_metadata(None)
                digest.add(table)
                yield table
            about = _note(file)
    except (pa.ArrowException, OSError) as error:
        raise IntegrityError(f"{path}: not a whole Parquet file: {error}") from error
    for key, value in (("rows", digest.rows), ("content", digest.hexadecimal())):
        if about and about[key] != value:
            raise IntegrityError(
                f"{path}: {key}: expected {about[key]}, found {value}. Fix: delete it and run again."
            )


def read_parquet(path: str | Path, schema: pa.Schema | None = None) -> pa.Table:
    """Return the table at ``path`` after checking its rows, its digest and, if given, its schema."""
    tables = list(tables_of(path, schema))
    return pa.concat_tables(tables) if tables else pq.read_schema(path).remove_metadata().empty_table()


def rows_of(path: str | Path, schema: pa.Schema | None = None) -> list[dict[str, Any]]:
    """Return the rows of the Parquet file at ``path`` as dictionaries."""
    return [row for table in tables_of(path, schema) for row in table.to_pylist()]


def parquet_note(path: str | Path) -> dict[str, Any]:
    """Return the note that ``stream_parquet`` left in the file at ``path``, or an empty one."""
    with pq.ParquetFile(path) as file:
        return _note(file)


def _note(file: pq.ParquetFile) -> dict[str, Any]:
    metadata = file.metadata.metadata or {}
    return dict(json.loads(metadata[NOTE])) if NOTE in metadata else {}


def _row_groups(schema: pa.Schema, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    waiting = schema.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table.replace_schema_metadata(None).cast(schema)])
        while waiting.num_rows >= ROW_GROUP:
            yield waiting.slice(0, ROW_GROUP).combine_chunks()
            waiting = waiting.slice(ROW_GROUP)
    if waiting.num_rows:
        yield waiting.combine_chunks()


class _Digest:
    """Rows and a running SHA-256 of row groups: names and values of the columns, not their layout."""

    def __init__(self) -> None:
        self.rows = 0
        self._sha256 = hashlib.sha256()

    def add(self, table: pa.Table) -> None:
        self.rows += table.num_rows
        for name in table.column_names:
            self._sha256.update(name.encode())
            self._sha256.update(json.dumps(table[name].to_pylist(), default=str).encode())

    def hexadecimal(self) -> str:
        return self._sha256.hexdigest()
