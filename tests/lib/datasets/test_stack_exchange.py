"""Stack Exchange pairs: the order of the votes, the credits that the licence asks for, what is left out."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.raw_files import SHARED, read, write
from tests.word_tokenizer import word_tokenizer
from workflow.lib.datasets.raw import Skipped
from workflow.lib.errors import DataError
from workflow.lib.records import GivenPair

OPTIONS = {"tokenizer": "any", "max_tokens": 8}
SITE = "https://example.invalid"
ROW: dict[str, Any] = {
    "qid": 7,
    "question": "How do I reverse it?",  # 5 words
    "date": "2020/01/02",
    "metadata": [f"{SITE}/questions/7", SITE, f"{SITE}/users/1/"],
    "response_j": "Use slicing.",
    "response_k": "You can't.",
}


def pairs(folder: Path, *rows: dict[str, Any]) -> list[Any]:
    """Return what the adapter makes of ``rows``."""
    write(folder, "a.jsonl", *rows)
    return read("stack_exchange", folder, OPTIONS, word_tokenizer())


def test_a_pair_keeps_votes_and_credits(tmp_path: Path) -> None:
    (pair,) = pairs(tmp_path, ROW)
    assert isinstance(pair, GivenPair)
    assert (pair.question, pair.chosen, pair.rejected) == (
        "How do I reverse it?",
        "Use slicing.",
        "You can't.",
    )
    assert pair.attribution == f"{SITE}/questions/7, {SITE}, {SITE}/users/1/, 2020/01/02"
    assert (pair.category, pair.rule) == ("preference", "example.invalid")
    assert pair.source == "a.jsonl row 1"


def test_a_question_is_a_group_and_every_site_counts_its_own(tmp_path: Path) -> None:
    other_site = {**ROW, "metadata": ["https://other.invalid/questions/7"]}
    rows = [ROW, {**ROW, "response_k": "Loop over it."}, {**ROW, "qid": 8}, other_site]
    first, second, third, fourth = pairs(tmp_path, *rows)
    assert first.group_id == second.group_id and first.problem_id != second.problem_id
    assert len({first.group_id, third.group_id, fourth.group_id}) == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"response_j": "Use the slice."}, None),  # 5 + 3 words: exactly as many as allowed
        ({"response_j": "Use a slice then."}, "longer than max_tokens"),
        ({"response_k": "No, you can not."}, "longer than max_tokens"),
        ({"question": "Who knows how I can do it at all?"}, "longer than max_tokens"),
        ({"response_k": " Use slicing.\n"}, "both answers are the same"),
        ({"response_k": " "}, "an answer is empty"),
        ({"response_j": None}, "an answer is empty"),
        ({"metadata": [""]}, "without attribution"),
        ({"metadata": []}, "without attribution"),
    ],
)
def test_what_cannot_be_used_is_counted(tmp_path: Path, change: dict[str, Any], reason: str | None) -> None:
    (found,) = pairs(tmp_path, {**ROW, **change})
    assert (found.reason if isinstance(found, Skipped) else None) == reason


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"qid": "7"}, "field 'qid': expected a whole number, found '7'"),
        ({"question": None}, "field 'question': expected a text, found None"),
        ({"metadata": SITE}, "field 'metadata': expected a list of texts, found 'https"),
        ({"metadata": [7]}, "field 'metadata': expected a list of texts"),
        ({"date": 2020}, "field 'date': expected a text, found 2020"),
    ],
)
def test_a_row_of_another_shape_is_told(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError) as caught:
        pairs(tmp_path, {**ROW, **change})
    assert str(caught.value).startswith("a.jsonl row 1 ") and told in str(caught.value)


def test_a_missing_column_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="field 'response_k': expected a text, found"):
        pairs(tmp_path, {key: value for key, value in ROW.items() if key != "response_k"})


def test_parquet_of_one_stage_is_read_alike(tmp_path: Path) -> None:
    (pair,) = pairs(tmp_path / "lines", ROW)
    (tmp_path / "hub/data/rl").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([ROW]), tmp_path / "hub/data/rl/train-0.parquet")
    (other,) = read("stack_exchange", tmp_path / "hub", OPTIONS, word_tokenizer())
    assert isinstance(other, GivenPair) and other.source == "data/rl/train-0.parquet row 1"
    assert (other.problem_id, other.group_id, other.attribution) == (
        pair.problem_id,
        pair.group_id,
        pair.attribution,
    )


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the fixtures in ../shared/data")
def test_the_fixture_is_one_question_with_its_pairs(tmp_path: Path) -> None:
    text = (SHARED / "synthetic_schema_fixtures/stack_exchange_paired.jsonl").read_text()
    write(tmp_path, "train.jsonl", text=text)
    rows = [json.loads(line) for line in text.splitlines()]
    found = read("stack_exchange", tmp_path, {**OPTIONS, "max_tokens": 100}, word_tokenizer())
    assert [(p.chosen, p.rejected) for p in found if isinstance(p, GivenPair)] == [
        (row["response_j"], row["response_k"]) for row in rows
    ]
    assert len({p.group_id for p in found if isinstance(p, GivenPair)}) == len({row["qid"] for row in rows})
