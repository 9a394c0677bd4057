"""A causal language model in its two parts: the trunk, up to the last hidden states, and the way to logits.

Between them a caller picks the states that it needs. The way to logits is the model's own forward pass, not
its output layer alone: Granite and Cohere scale what that gives, Gemma 2 bounds it.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


class Handed(BaseModelOutput):  # type: ignore[misc]
    """What a trunk returns, with nothing but its last hidden states."""

    def __getattr__(self, name: str) -> None:
        """Return ``None`` for what a model asks for beside the states."""


class HandingOn(torch.nn.Module):
    """Stands in a trunk's place: its last hidden states are what it is asked about."""

    def __init__(self, trunk: torch.nn.Module) -> None:
        """Stand in for ``trunk``, whose settings stay readable."""
        super().__init__()
        self._trunk = (trunk,)  # in a tuple it is no part of this module

    def __getattr__(self, name: str) -> Any:
        """Return a setting of the trunk (Falcon-H1), or this module for the decoder in it (OPT)."""
        told = getattr(self.__dict__["_trunk"][0], name)
        if not isinstance(told, torch.nn.Module):
            return told
        if name == "decoder":
            return self
        raise AttributeError(
            f"logits come from '{name}' within the trunk too, not from its last states alone"
        )

    def forward(self, *_: Any, inputs_embeds: Tensor, **__: Any) -> Handed:
        """Return ``inputs_embeds``, (B, T, H), as the states."""
        return Handed(last_hidden_state=inputs_embeds)


def trunk_of(base: PreTrainedModel) -> torch.nn.Module:
    """Return the part of ``base`` that gives hidden states."""
    trunk: torch.nn.Module = getattr(base, base.base_model_prefix)
    return trunk


def head_of(base: PreTrainedModel) -> Callable[[Tensor], Tensor]:
    """Return how ``base`` makes logits, (N, V) in float32, of last hidden states, (N, H).

    It shares the parameters of ``base``.
    """
    rest = copy.copy(base)
    rest._modules = base._modules | {base.base_model_prefix: HandingOn(trunk_of(base))}

    def logits(states: Tensor) -> Tensor:
        # the class's: what accelerate's hooks put in its place on ``base`` goes through the trunk of ``base``
        told: Tensor = type(base).forward(rest, inputs_embeds=states[None], use_cache=False).logits[0]
        return told.float()

    return logits
