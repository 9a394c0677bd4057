"""Parquet: same rows same bytes, in whatever pieces they come; what was spoilt is refused."""

import json
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.lib import parquet
from workflow.lib.errors import IntegrityError
from workflow.lib.files import sha256
from workflow.lib.parquet import parquet_note, read_parquet, rows_of, stream_parquet, write_parquet

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "text": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
            "number": st.none() | st.floats(allow_nan=False),
            "words": st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
        }
    )
)
SCHEMA = pa.schema([("text", pa.string()), ("number", pa.float64()), ("words", pa.list_(pa.string()))])


def test_parquet_of_the_same_rows_has_the_same_bytes(tmp_path):
    rows = pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    write_parquet(tmp_path / "1.parquet", rows, {"seed": 1})
    write_parquet(tmp_path / "2.parquet", rows, {"seed": 1})
    write_parquet(tmp_path / "3.parquet", rows, {"seed": 2})
    one, two, three = (sha256(tmp_path / f"{i}.parquet") for i in (1, 2, 3))
    assert one == two != three
    assert rows_of(tmp_path / "1.parquet") == rows.to_pylist()


@pytest.mark.parametrize(
    ("spoil", "told"), [("truncate", "not a whole Parquet"), ("rows", "rows: expected 9")]
)
def test_a_spoilt_parquet_file_is_refused(tmp_path, spoil, told):
    path = tmp_path / "a.parquet"
    write_parquet(path, pa.table({"a": [1, 2]}))
    if spoil == "truncate":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        note = json.dumps({"rows": 9, "content": "0"})
        pq.write_table(pa.table({"a": [1, 2]}).replace_schema_metadata({"plumbline": note}), path)
    with pytest.raises(IntegrityError, match=told):
        read_parquet(path)


def test_a_flipped_value_is_found_by_its_digest(tmp_path):
    path = tmp_path / "a.parquet"
    write_parquet(path, pa.table({"a": [1, 2]}))
    note = json.dumps(parquet_note(path))
    pq.write_table(pa.table({"a": [1, 3]}).replace_schema_metadata({"plumbline": note}), path)
    with pytest.raises(IntegrityError, match="content: expected"):
        read_parquet(path)


@given(ROWS)
def test_every_value_comes_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "a.parquet"
    write_parquet(path, pa.Table.from_pylist(rows, schema=SCHEMA), {"seed": 1})
    assert rows_of(path, SCHEMA) == rows
    assert read_parquet(path).to_pylist() == rows
    assert parquet_note(path)["rows"] == len(rows) and parquet_note(path)["seed"] == 1


def test_the_pieces_that_rows_come_in_do_not_matter(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROW_GROUP", 4)
    whole = pa.table({"a": [None, 1.5, None, *map(float, range(20))], "b": [str(i) for i in range(23)]})
    for name, cuts in {"one": [0, 23], "many": [0, 1, 2, 9, 10, 23], "fours": [0, 4, 8, 12, 23]}.items():
        pieces = [whole.slice(i, j - i) for i, j in pairwise(cuts)]
        assert stream_parquet(tmp_path / name, whole.schema, pieces) == 23
    assert len({sha256(tmp_path / name) for name in ("one", "many", "fours")}) == 1
    assert read_parquet(tmp_path / "many") == whole
    assert pq.ParquetFile(tmp_path / "one").num_row_groups == 6  # 5 of 4 rows and one of 3


def test_other_columns_are_refused(tmp_path):
    write_parquet(tmp_path / "a.parquet", pa.table({"a": [1]}))
    with pytest.raises(IntegrityError, match="expected the columns"):
        read_parquet(tmp_path / "a.parquet", SCHEMA)
