"""The way from a model's last hidden states to its logits, against its own whole pass."""

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from transformers import PreTrainedModel

from tests.families import FAMILIES, tiny
from tests.training import HARDWARE, LORA
from workflow.lib.adapters import attach
from workflow.lib.heads import head_of, trunk_of
from workflow.lib.models import load_base

OTHERWISE = {"gemma2", "granite", "cohere2", "hyperclovax"}  # whose logits are not their output layer's
IDS = torch.randint(3, 64, (3, 9), generator=torch.Generator().manual_seed(1))


def logits_by_parts(model: PreTrainedModel) -> torch.Tensor:
    """Return the logits, (B, T, V), by way of the states."""
    states = trunk_of(model)(input_ids=IDS, use_cache=False).last_hidden_state
    return head_of(model)(states.flatten(0, 1)).unflatten(0, IDS.shape)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_logits_are_the_models_own(family: str) -> None:
    model = tiny(family)
    logits = model(input_ids=IDS).logits
    torch.testing.assert_close(logits_by_parts(model), logits, rtol=1e-5, atol=1e-5)
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
