"""The way from a model's last hidden states to its logits, against its own whole pass."""

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from tests.training import HARDWARE, LORA
from workflow.lib.adapters import attach
from workflow.lib.heads import head_of, trunk_of
from workflow.lib.models import load_base

SHAPE = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "gpt2": {},
    "qwen3": {},
    "phi": {},  # its output layer has a bias
    "phi3": {},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},  # its trunk has another one within
    "mixtral": {"num_local_experts": 4},
    "gemma3_text": {"head_dim": 8},
    "gemma2": {"head_dim": 8, "final_logit_softcapping": 0.05},
    "granite": {"logits_scaling": 8.0},
    "cohere2": {"logit_scale": 0.25},
    "hyperclovax": {"logits_scaling": 8.0},  # it multiplies where Granite divides
}
OTHERWISE = {"gemma2", "granite", "cohere2", "hyperclovax"}  # whose logits are not their output layer's
IDS = torch.randint(3, 64, (3, 9), generator=torch.Generator().manual_seed(1))


def tiny(family: str) -> PreTrainedModel:
    """Return a model of ``family`` with random weights."""
    config: PreTrainedConfig = CONFIG_MAPPING[family](**{**SHAPE, **FAMILIES[family]})
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def logits_by_parts(model: PreTrainedModel) -> torch.Tensor:
    """Return the logits, (B, T, V), by way of the states."""
    states = trunk_of(model)(input_ids=IDS, use_cache=False).last_hidden_state
    return head_of(model)(states.flatten(0, 1)).unflatten(0, IDS.shape)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_logits_are_the_models_own(family: str) -> None:
    model = tiny(family)
    logits = model(input_ids=IDS).logits
    torch.testing.assert_close(logits_by_parts(model), logits, rtol=0.0, atol=0.0)
    of_the_layer = model.get_output_embeddings()(trunk_of(model)(input_ids=IDS).last_hidden_state)
    assert (float((of_the_layer - logits).abs().max()) > 0.1) == (family in OTHERWISE)


@pytest.mark.parametrize("quantisation", ["none", "nf4"])
def test_gradients_go_back_through_it(tiny_llama: Path, quantisation: str) -> None:
    """As through the whole pass, into adapters on a base in 4 bits, too."""
    base = load_base(tiny_llama, {**HARDWARE, "precision": "bfloat16", "quantisation": quantisation})
    model = attach(base, LORA, [], task="CAUSAL_LM", seed=1)
    found = []
    for logits in (logits_by_parts(base), base(input_ids=IDS).logits.float()):
        weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2))
        (logits * weights).sum().backward()
        found.append([p.grad.clone() for p in model.parameters() if p.requires_grad])
        model.zero_grad()
    torch.testing.assert_close(*found, rtol=0.0, atol=0.0)
    assert max(float(gradient.abs().max()) for gradient in found[0]) > 0.1


@torch.no_grad()
def test_hooks_of_accelerate_do_not_lead_back_into_the_trunk() -> None:
    model = tiny("llama")
    expected = logits_by_parts(model)
    add_hook_to_module(model, ModelHook())
    torch.testing.assert_close(logits_by_parts(model), expected, rtol=0.0, atol=0.0)


def test_a_model_that_makes_logits_of_more_than_its_last_states_is_not_given_others() -> None:
    model = tiny("llama")

    class Deeper(type(model)):  # type: ignore[misc]
        def forward(self, **given: Any) -> Any:
            told = super().forward(**given)
            told.logits = told.logits + self.model.layers[0].mlp(given["inputs_embeds"]).sum(-1, keepdim=True)
            return told

    model.__class__ = Deeper
    with pytest.raises(AttributeError, match="from 'layers' within the trunk too"):
        head_of(model)(torch.zeros(1, 32))
