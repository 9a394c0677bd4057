"""Records: round trips through Parquet, refused schemas, stable identifiers."""

import pyarrow as pa
import pytest

from workflow.lib import records
from workflow.lib.errors import IntegrityError
from workflow.lib.parquet import write_parquet

PAIR = records.Pair("r1", "p1", "g1", "train", "propositional", "Is it?", "It is.", "It is not.", 0.5)


@pytest.mark.parametrize(
    "kind",
    [
        records.Problem,
        records.Rationale,
        records.Verified,
        records.ProblemSignals,
        records.SftRow,
        records.Pair,
        records.Prompt,
        records.Sample,
    ],
)
def test_every_kind_has_a_schema_with_its_fields(kind):
    schema = records.schema_of(kind)
    assert schema.names == list(kind.__dataclass_fields__)
    assert len(records.table([], kind)) == 0


def test_round_trip(tmp_path):
    write_parquet(tmp_path / "a.parquet", records.table([PAIR], records.Pair))
    assert records.load(tmp_path / "a.parquet", records.Pair) == [PAIR]


def test_another_kind_is_refused(tmp_path):
    write_parquet(tmp_path / "a.parquet", pa.table({"prompt": ["x"]}))
    with pytest.raises(IntegrityError, match="expected the columns"):
        records.load(tmp_path / "a.parquet", records.Pair)


def test_identifiers_depend_on_every_part_and_on_where_it_ends():
    one = records.problem_id("d", "s", "ab", "c")
    assert one == records.problem_id("d", "s", "ab", "c")
    assert len({one, records.problem_id("d", "s", "a", "bc"), records.problem_id("e", "s", "ab", "c")}) == 3
