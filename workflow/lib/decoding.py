"""Answers decoded token by token, with keys and values in room that is there from the start.

Greedy decoding here gives the tokens of transformers' own and is handed to its ``generate``
(https://huggingface.co/docs/transformers/generation_strategies, "Custom generation methods"). A row leaves
the batch once it has ended; there, all rows are computed until the last one ends.
"""

import inspect
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import (
    DynamicCache,
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedConfig,
    PreTrainedModel,
    StoppingCriteriaList,
)
from transformers.cache_utils import DynamicLayer

CROWDED = 7 / 8  # share of the rows that must go on for the others to stay: leaving copies keys and values


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of a layer, (B, heads, T, width), written into room that is there from the start."""

    def __init__(self, room: int) -> None:
        """Make room for ``room`` tokens."""
        super().__init__()
        self._room = room

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Reserve the room."""
        super().lazy_initialization(key_states, value_states)
        self._whole = [
            states.new_empty((*states.shape[:2], self._room, states.shape[3]))
            for states in (key_states, value_states)
        ]

    def update(
        self, key_states: Tensor, value_states: Tensor, *given: Any, **named: Any
    ) -> tuple[Tensor, Tensor]:
        """Add the keys and values of the next tokens; return all so far."""
        first = self.get_seq_length()
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        last = first + key_states.shape[2]
        for whole, states in zip(self._whole, (key_states, value_states), strict=True):
            whole[:, :, first:last] = states
        self.keys, self.values = (whole[:, :, :last] for whole in self._whole)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep the rows ``indices`` alone, (B',)."""
        last = self.get_seq_length()
        self._whole = [whole[indices] for whole in self._whole]
        self.keys, self.values = (whole[:, :, :last] for whole in self._whole)


def roomy_cache(config: PreTrainedConfig, room: int) -> DynamicCache:
    """Return an empty cache; its plain layers have room for ``room`` tokens, so that they need not grow."""
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer(room) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def without_ended(cache: DynamicCache, ended: Tensor, *of_rows: Tensor) -> tuple[Tensor, ...]:
    """Drop the rows that have ended, once enough have, from ``cache`` and from the tensors returned.

    Args:
        cache: Keys and values of the rows; nothing else may be remembered of them.
        ended: True for a row that has ended, (B,).
        of_rows: Tensors of the rows, each (B, ...).
    """
    if (~ended).float().mean() > CROWDED:
        return ended, *of_rows
    stay = (~ended).nonzero()[:, 0]
    cache.batch_select_indices(stay)
    return tuple(each[stay] for each in (ended, *of_rows))


def can_shrink(model: PreTrainedModel | PeftModel, end: int) -> bool:
    """Return whether ``greedy`` serves: all that a model remembers is keys and values, and ``end`` ends."""
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    told = inspect.signature(type(base).forward).parameters
    ends = base.generation_config.eos_token_id
    return (
        not base._is_stateful
        and {"position_ids", "logits_to_keep"} <= set(told)
        and end in (ends if isinstance(ends, list) else [ends])
    )


def greedy(
    model: PreTrainedModel,
    input_ids: Tensor,
    logits_processor: LogitsProcessorList,
    stopping_criteria: StoppingCriteriaList,
    generation_config: GenerationConfig,
    **given: Any,
) -> Tensor:
    """Return prompts and greedy answers, (B, T), filled up with the padding token: for ``custom_generate``.

    Args:
        model: The causal language model.
        input_ids: Prompts, packed to the left, (B, P).
        logits_processor: What the model's own settings do to its logits.
        stopping_criteria: Of these, the greatest length counts.
        generation_config: With the tokens that end an answer, and the one that fills rows up.
        given: ``attention_mask``, (B, P), ``None`` where nothing is padded; and what is not needed here.
    """
    ends, pad = generation_config._eos_token_tensor, generation_config._pad_token_tensor
    longest, width = stopping_criteria.max_length, input_ids.shape[1]
    told = input_ids.new_full((len(input_ids), longest), int(pad))
    told[:, :width] = input_ids
    seen = torch.ones_like(told)
    if given.get("attention_mask") is not None:
        seen[:, :width] = given["attention_mask"]
    cache = roomy_cache(model.config, longest)
    rows = torch.arange(len(told), device=told.device)  # that are still computed
    ended = torch.zeros_like(rows, dtype=torch.bool)
    ids, position = input_ids, (seen[:, :width].cumsum(1) - 1).clamp(min=0)
    while width < longest and not ended.all():
        ended, rows, ids, position = without_ended(cache, ended, rows, ids, position)
        logits = model(
            input_ids=ids,
            attention_mask=seen[rows, :width],
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        token = logits_processor(told[rows, :width], logits.float()).argmax(dim=-1)
        told[rows, width] = token.masked_fill(ended, int(pad))
        ended |= torch.isin(token, ends)
        ids, position, width = token[:, None], position[:, -1:] + 1, width + 1
    return told[:, :width]
