"""PEFT's LoRA layer without its bookkeeping, where nothing is learnt: the same numbers, bit by bit.

A response is decoded token by token, so that each of its tokens passes through every layer alone. There
what PEFT does around W x + s B (A x) costs as much as the products: in rollouts and in evaluation.
"""

from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import Linear
from torch import Tensor
from torch.nn.functional import linear


class LeanLinear(Linear):  # type: ignore[misc]
    """PEFT's layer with one active adapter, no DoRA and no dropout; with gradients it is PEFT's own."""

    def forward(self, x: Tensor, *given: Any, **named: Any) -> Tensor:
        """Return W x + s B (A x), (..., out), of x, (..., in); W x where adapters are off."""
        if torch.is_grad_enabled() or self.merged:
            return super().forward(x, *given, **named)  # type: ignore[no-any-return]
        base = self.base_layer
        result = linear(x, base.weight, base.bias)
        adapter = self.active_adapters[0]
        if self.disable_adapters or adapter not in self.lora_A:
            return result
        a, b = self.lora_A[adapter].weight, self.lora_B[adapter].weight
        return result.add_(linear(linear(x.to(a.dtype), a), b).mul_(self.scaling[adapter]))


def lean(model: PeftModel) -> None:
    """Make the plain LoRA layers of ``model`` lean; none may drop anything out."""
    for module in model.modules():
        if type(module) is not Linear or type(module.base_layer) is not torch.nn.Linear:
            continue
        if not module.lora_variant and not any(module.lora_bias.values()):
            module.__class__ = LeanLinear
