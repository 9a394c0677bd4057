"""IMDB: which reviews are taken, how they are cleaned, and where their prompts end."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tests.raw_files import SHARED, read, write
from tests.word_tokenizer import word_tokenizer
from workflow.lib.datasets.raw import Skipped
from workflow.lib.errors import DataError
from workflow.lib.records import Passage

OPTIONS = {"tokenizer": "any", "min_characters": 10, "prompt_tokens": 3}
REVIEW = "A tight little thriller; the second act drags,<br /><br />but the ending earns it."


def reviews(folder: Path, options: dict[str, object] | None = None) -> list[Passage]:
    """Return the passages among what the adapter makes of the files below ``folder``."""
    found = read("imdb", folder, options or OPTIONS, word_tokenizer())
    return [record for record in found if isinstance(record, Passage)]


def test_tags_become_line_breaks_and_labels_words(tmp_path: Path) -> None:
    texts = [REVIEW, "Two hours of my life <br/>gone.", "Nobody's judgement of it at all."]
    write(tmp_path, "a.jsonl", *({"text": t, "label": n} for t, n in zip(texts, (1, 0, -1), strict=True)))
    found = reviews(tmp_path)
    assert [p.text for p in found] == [
        "A tight little thriller; the second act drags,\n\nbut the ending earns it.",
        "Two hours of my life\ngone.",
        "Nobody's judgement of it at all.",
    ]
    assert [p.answer for p in found] == ["positive", "negative", ""]
    assert [p.prompt for p in found] == ["A tight little", "Two hours of", "Nobody's judgement of"]
    assert [p.source for p in found] == ["a.jsonl row 1", "a.jsonl row 2", "a.jsonl row 3"]


def test_length_is_that_of_the_cleaned_text_and_the_limit_itself_is_too_short(tmp_path: Path) -> None:
    texts = ["x" * 10, "y" * 11, "z" * 8 + "<br /><br />"]
    write(tmp_path, "a.jsonl", *({"text": text, "label": 1} for text in texts))
    found = read("imdb", tmp_path, OPTIONS, word_tokenizer())
    short = "shorter than min_characters"
    assert [found[0], found[2]] == [Skipped("a.jsonl row 1", short), Skipped("a.jsonl row 3", short)]
    assert isinstance(found[1], Passage) and found[1].text == "y" * 11


def test_a_text_shorter_than_the_prompt_is_the_prompt(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", {"text": "Splendid rubbish.", "label": 1})
    (found,) = reviews(tmp_path, {**OPTIONS, "prompt_tokens": 99})
    assert found.prompt == found.text == "Splendid rubbish."


@pytest.mark.parametrize("prompt_tokens", [1, 2, 5, 9])
def test_a_prompt_ends_where_a_token_of_the_text_ends(tmp_path: Path, prompt_tokens: int) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([REVIEW], trainer)
    text = "The ending  earns it.\n\nA thriller, and a little drag."
    write(tmp_path, "a.jsonl", {"text": text, "label": 0})
    options = {**OPTIONS, "prompt_tokens": prompt_tokens}
    (found,) = read("imdb", tmp_path, options, tokenizer)
    ids = tokenizer.encode(text).ids
    assert isinstance(found, Passage) and len(ids) > 9
    assert text.startswith(found.prompt) and found.prompt == tokenizer.decode(ids[:prompt_tokens])


def test_parquet_is_read_alike(tmp_path: Path) -> None:
    write(tmp_path / "a", "a.jsonl", {"text": REVIEW, "label": -1})
    (tmp_path / "b").mkdir()
    pq.write_table(pa.table({"text": [REVIEW], "label": [-1]}), tmp_path / "b/plain.parquet")
    (one,), (other,) = reviews(tmp_path / "a"), reviews(tmp_path / "b")
    assert (one.problem_id, one.text, one.prompt) == (other.problem_id, other.text, other.prompt)
    assert other.source == "plain.parquet row 1"


def test_a_label_of_no_meaning_is_told(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", {"text": REVIEW, "label": 2})
    with pytest.raises(DataError, match=r"a\.jsonl row 1 field 'label': expected 1 or 0 or -1, found 2"):
        reviews(tmp_path)


def test_without_a_tokenizer_the_option_is_named(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", {"text": REVIEW, "label": 1})
    with pytest.raises(DataError, match=r"name a model in options\.tokenizer"):
        read("imdb", tmp_path, OPTIONS)


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the fixtures in ../shared/data")
def test_every_row_of_the_fixture_is_taken_or_counted(tmp_path: Path) -> None:
    text = (SHARED / "synthetic_schema_fixtures/imdb_train.jsonl").read_text()
    write(tmp_path, "train.jsonl", text=text)
    rows = [json.loads(line) for line in text.splitlines()]
    long = [row["label"] for row in rows if len(row["text"].replace("<br />", "\n")) > 75]
    found = read("imdb", tmp_path, {**OPTIONS, "min_characters": 75}, word_tokenizer())
    names = {"positive": 1, "negative": 0, "": -1}
    assert [names[record.answer] for record in found if isinstance(record, Passage)] == long
    assert sum(isinstance(record, Skipped) for record in found) == len(rows) - len(long) > 0
