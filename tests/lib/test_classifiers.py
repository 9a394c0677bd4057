"""Classifiers as judges: their own tokenizer, the label that counts, texts that are too long."""

import math
import shutil
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from tests.tiny_gpt2 import READS, write_tiny_bert
from tests.training import HARDWARE
from workflow.lib.classifiers import Classifier
from workflow.lib.errors import DataError
from workflow.lib.files import read_json, write_json

TEXTS = ["It is good", "bad", "yes it is odd no"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


def test_a_text_has_the_logit_of_its_label_whatever_stands_beside_it(bert: Path):
    model = AutoModelForSequenceClassification.from_pretrained(bert).eval()
    tokenizer = AutoTokenizer.from_pretrained(bert)
    with torch.no_grad():
        logits = [model(**tokenizer(text, return_tensors="pt")).logits[0].tolist() for text in TEXTS]
    assert tokenizer("It is good")["input_ids"] == [2, 6, 7, 4, 3]  # [CLS] it is good [SEP]
    for place, label in enumerate(("NEGATIVE", "POSITIVE")):
        found = Classifier(bert, label, "logit", HARDWARE).scores(TEXTS)
        assert found.tolist() == pytest.approx([row[place] for row in logits], rel=1e-4, abs=1e-5)
    odds = [1 / (1 + math.exp(no - yes)) for no, yes in logits]
    found = Classifier(bert, "POSITIVE", "probability", HARDWARE).scores(TEXTS)
    assert found.tolist() == pytest.approx(odds, rel=1e-4)


def test_of_a_long_text_the_end_is_read_and_it_is_counted(bert: Path):
    judge = Classifier(bert, "POSITIVE", "logit", HARDWARE)
    end = " ".join(["yes"] * 6 + ["bad"] * (READS - 8))
    same = judge.scores([f"good good {end}", end])
    assert same[0] == pytest.approx(float(same[1]), rel=1e-5)
    assert judge.cut == 1


def test_the_positions_of_roberta_begin_behind_that_of_its_padding(bert: Path, tmp_path: Path):
    """A table of READS + 1 positions, padding has the first of them, and a tokenizer tells no length."""
    folder = shutil.copytree(bert, tmp_path / "roberta")
    (folder / "config.json").unlink()
    told = read_json(folder / "tokenizer_config.json")
    del told["model_max_length"]
    write_json(folder / "tokenizer_config.json", told)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = RobertaConfig(
        vocab_size=400, max_position_embeddings=READS + 1, type_vocab_size=1, pad_token_id=0, **sizes
    )
    RobertaForSequenceClassification(config).save_pretrained(folder)
    judge = Classifier(folder, "LABEL_1", "logit", HARDWARE)
    end = " ".join(["yes"] * (READS - 2))
    same = judge.scores([f"good good {end}", end])
    assert same[0] == pytest.approx(float(same[1]), rel=1e-4)
    assert judge.cut == 1


def test_an_unknown_label_is_told_with_those_that_there_are(bert: Path):
    with pytest.raises(DataError, match=r"no label 'GOOD'\. Fix: take one of NEGATIVE, POSITIVE"):
        Classifier(bert, "GOOD", "logit", HARDWARE)


def test_a_language_model_is_no_classifier(tiny_llama: Path):
    with pytest.raises(DataError, match="not a classifier: no weights for"):
        Classifier(tiny_llama, "LABEL_0", "logit", HARDWARE)
