"""Loading a snapshot: what is taken from it, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import BloomConfig, Gemma3Config

from tests.families import write_tiny
from tests.training import HARDWARE
from workflow.lib.errors import DataError
from workflow.lib.models import (
    ANY_NUMBER,
    context_in,
    context_of,
    load_base,
    load_scorer,
    load_tokenizer,
)


def test_the_base_is_ready_to_be_read(tiny_llama: Path) -> None:
    model = load_base(tiny_llama, HARDWARE)
    assert not model.training
    assert next(model.parameters()).dtype == torch.float32
    halved = load_base(tiny_llama, {**HARDWARE, "precision": "bfloat16"})
    assert next(halved.parameters()).dtype == torch.bfloat16


def test_the_tokenizer_pads_on_the_right(tiny_llama: Path) -> None:
    tokenizer = load_tokenizer(tiny_llama)
    assert tokenizer.padding_side == "right"
    assert tokenizer(["a", "abc"], padding=True)["attention_mask"] == [[1, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize(
    ("change", "padding"),
    [
        ({}, "<|end|>"),
        ({"extra_special_tokens": ["<unk>"]}, "<unk>"),
        ({"extra_special_tokens": ["<unk>", "<|finetune_right_pad_id|>"]}, "<|finetune_right_pad_id|>"),
    ],
    ids=["GPT-2", "Llama 2", "Llama 3.1"],
)
def test_a_tokenizer_without_padding_gets_one(
    change: dict[str, list[str]], padding: str, tiny_llama: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_llama, tmp_path / "model")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["pad_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, **change}))
    assert load_tokenizer(folder).pad_token == padding
    del settings["eos_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(DataError, match="neither padding nor EOS"):
        load_tokenizer(folder)


def test_the_head_of_a_scorer_comes_from_its_seed_alone(tiny_llama: Path) -> None:
    heads = [load_scorer(tiny_llama, HARDWARE, pad=0, seed=seed).score.weight for seed in (1, 1, 2)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_a_family_without_classifiers_cannot_be_a_reward_model(tmp_path: Path) -> None:
    granite = write_tiny("granite", tmp_path / "granite")
    assert load_base(granite, HARDWARE)
    with pytest.raises(DataError, match=r"granite: expected a family .* found 'granite', of which .* Fix:"):
        load_scorer(granite, HARDWARE, pad=0, seed=1)


def test_the_context_is_the_language_models_own(tiny_llama: Path) -> None:
    assert context_of(tiny_llama) == 256
    assert context_in(Gemma3Config(text_config={"max_position_embeddings": 99})) == 99
    assert context_in(BloomConfig()) == ANY_NUMBER  # it has no table of positions


def test_an_attention_that_a_family_lacks_is_told_with_its_key(tmp_path: Path) -> None:
    snapshot = write_tiny("gpt_neo", tmp_path)
    with pytest.raises(DataError, match=r"hardware.attention 'sdpa': GPTNeoForCausalLM .*\. Fix: take"):
        load_base(snapshot, HARDWARE)
    assert load_base(snapshot, {**HARDWARE, "attention": "eager"})
