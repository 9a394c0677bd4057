"""Base models and tokenizers, read from a snapshot folder: no hub, no pickle, no code from the model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from workflow.lib.chat import check_contract
from workflow.lib.errors import DataError


def load_tokenizer(snapshot: str | Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer in ``snapshot``, padding on the right, once its chat template is known to be sound.

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
