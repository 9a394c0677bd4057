"""Lean LoRA layers: PEFT's numbers bit by bit, and only where they are plain."""

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import Linear
from torch import tensor
from transformers.pytorch_utils import Conv1D

from workflow.lib.layers import LeanLinear, lean


def adapted(layer: torch.nn.Module, **options: object) -> tuple[PeftModel, Linear]:
    """Return a model of one layer with an adapter that does something, in float32."""
    config = LoraConfig(r=2, lora_alpha=6, target_modules=["0"], **options)
    model = get_peft_model(torch.nn.Sequential(layer), config, autocast_adapter_dtype=True)
    module = model.base_model.model[0]
    torch.nn.init.normal_(module.lora_B["default"].weight)
    return model, module


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(32, 1, 64), (7, 64)])
def test_it_says_what_peft_says_bit_by_bit(precision: torch.dtype, shape: tuple[int, ...]):
    torch.manual_seed(1)
    model, module = adapted(torch.nn.Linear(64, 48, dtype=precision))
    x = torch.randn(shape, dtype=precision)
    kept = x.clone()
    with torch.no_grad():
        expected = module(x)
        with model.disable_adapter():
            bare = module(x)
        lean(model)
        assert type(module) is LeanLinear
        found = module(x)
        assert found.dtype == precision and torch.equal(found, expected)
        with model.disable_adapter():
            assert torch.equal(module(x), bare)
    assert not torch.equal(found, bare)
    assert torch.equal(x, kept)


def test_the_numbers_are_those_of_the_active_adapter():
    """One in, one out: W = 2, A = 3, B = 5 and s = 6 / 2 for the first adapter, 1 for the second; x = 1."""
    model, module = adapted(torch.nn.Linear(1, 1, bias=False))
    model.add_adapter("other", LoraConfig(r=1, lora_alpha=1, target_modules=["0"]))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(3.0 if "lora_A" in name else 5.0 if "lora_B" in name else 2.0)
    lean(model)
    x = tensor([[1.0]])
    with torch.no_grad():
        assert module(x).item() == 2.0 + 3.0 * (2 * 15.0)  # of rank 2
        model.set_adapter("other")
        assert module(x).item() == 2.0 + 15.0
        module.merge()
        assert module(x).item() == 2.0 + 15.0  # not twice
        module.unmerge()
        module._active_adapter = "elsewhere"  # one that this layer does not have
        assert module(x).item() == 2.0


def test_it_learns_as_before():
    model, module = adapted(torch.nn.Linear(4, 3))
    x, wanted = torch.randn(5, 4), [module.lora_A["default"].weight, module.lora_B["default"].weight]
    expected = torch.autograd.grad(module(x).square().sum(), wanted)
    lean(model)
    found = torch.autograd.grad(module(x).square().sum(), wanted)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert all(gradient.abs().max() > 0.0 for gradient in found)


@pytest.mark.parametrize("kind", ["dora", "lora_bias", "Conv1D"])
def test_other_layers_stay_as_they_are(kind: str):
    names = {"dora": "use_dora", "lora_bias": "lora_bias", "Conv1D": "fan_in_fan_out"}
    layer = Conv1D(3, 4) if kind == "Conv1D" else torch.nn.Linear(4, 3)
    model, module = adapted(layer, **{names[kind]: True})
    lean(model)
    assert type(module) is Linear
