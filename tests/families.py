"""Families of causal language models, each as a tiny one with random weights."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from tests.tiny_llama import write_tiny_llama

SHAPE = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "initializer_range": 0.3,  # far from uniform, so that a wrong position or mask shows
}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "gpt2": {},
    "gpt_neo": {"num_layers": 2, "attention_types": [[["global", "local"], 1]], "window_size": 4},
    "qwen3": {},
    "phi": {},  # its output layer has a bias
    "phi3": {},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32, "init_std": 0.3},  # its trunk has another one within
    "mixtral": {"num_local_experts": 4},
    "gemma3_text": {"head_dim": 8},
    "gemma3": {  # its language model is nested in one that sees pictures
        "text_config": {**SHAPE, "head_dim": 8, "sliding_window": 6},
        "vision_config": {
            **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4},
            **{"image_size": 28, "patch_size": 14},
        },
        "mm_tokens_per_image": 4,
        "image_token_index": 120,
    },
    "gemma2": {"head_dim": 8, "final_logit_softcapping": 1.0, "sliding_window": 6},
    "granite": {"logits_scaling": 8.0},
    "cohere2": {"logit_scale": 0.25},
    "hyperclovax": {"logits_scaling": 8.0},  # it multiplies where Granite divides
}


def tiny(family: str, **change: Any) -> PreTrainedModel:
    """Return a model of ``family`` with random weights; ``change`` is of its configuration."""
    config: PreTrainedConfig = CONFIG_MAPPING[family](**{**SHAPE, **FAMILIES[family], **change})
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def write_tiny(family: str, folder: Path) -> Path:
    """Write a model of ``family`` to ``folder``, with the tokenizer of the tiny Llama."""
    write_tiny_llama(folder)
    (folder / "model.safetensors").unlink()
    tokens = {"eos_token_id": 0, "bos_token_id": None, "max_position_embeddings": 256}
    nested = {name: {**part, **tokens} for name, part in FAMILIES[family].items() if name == "text_config"}
    tiny(family, **tokens, **nested).save_pretrained(folder)
    return folder
