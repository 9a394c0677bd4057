"""Base models and tokenizers, read from a snapshot folder: no hub, no pickle, no code from the model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from workflow.lib.chat import check_contract
from workflow.lib.errors import DataError


def load_tokenizer(snapshot: str | Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer in ``snapshot``, padding on the right, once its chat template is sound.

    Raises:
        DataError: There is no padding token of its own, or the chat template fails ``check_contract``.
    """
    tokenizer = AutoTokenizer.from_pretrained(snapshot, padding_side="right", local_files_only=True)
    if tokenizer.pad_token_id is None:
        raise DataError(f"{snapshot}: the tokenizer has no padding token. Fix: add one to the model.")
    check_contract(tokenizer, str(snapshot))
    return tokenizer


def load_base(snapshot: str | Path, hardware: Mapping[str, Any]) -> PreTrainedModel:
    """Return the causal language model in ``snapshot`` as ``hardware`` says, in evaluation mode.

    Args:
        snapshot: Folder in the Hugging Face layout, weights as safetensors.
        hardware: The config's hardware section; ``device``, ``precision`` and ``attention`` count here.
    """
    model = AutoModelForCausalLM.from_pretrained(
        snapshot,
        dtype=getattr(torch, hardware["precision"]),
        attn_implementation=hardware["attention"],
        use_safetensors=True,
        local_files_only=True,
    )
    return model.to(hardware["device"]).eval()


def load_scorer(
    snapshot: str | Path, hardware: Mapping[str, Any], *, pad: int | None, seed: int
) -> PreTrainedModel:
    """Return the model in ``snapshot`` with a fresh head that gives one score at the last token.

    Args:
        snapshot: As for ``load_base``.
        hardware: As for ``load_base``.
        pad: Token that fills rows up; the last token that is not ``pad`` is scored.
        seed: Of the head's initial weights; the global generator is left as it was.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_pretrained(
            snapshot,
            num_labels=1,
            dtype=getattr(torch, hardware["precision"]),
            attn_implementation=hardware["attention"],
            use_safetensors=True,
            local_files_only=True,
        )
    model.config.pad_token_id = pad
    return model.to(hardware["device"]).eval()
