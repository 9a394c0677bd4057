"""Rows of tokens as tensors of one width, and which of their tokens were answered."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True)
class Packed:
    """Prompts with their responses, packed to the right: ``N`` response tokens in ``B`` rows of ``T``."""

    ids: Tensor  # (B, T)
    mask: Tensor  # (B, T - 1), true at t where ids[:, t + 1] is a token of the response


def pack(prompts: Sequence[list[int]], responses: Sequence[list[int]], pad: int) -> Packed:
    """Return ``prompts`` and ``responses`` as tensors of one width."""
    whole = [torch.tensor(prompt + response) for prompt, response in zip(prompts, responses, strict=True)]
    ids = pad_sequence(whole, batch_first=True, padding_value=pad)
    first = torch.tensor([len(prompt) for prompt in prompts])[:, None]
    last = torch.tensor([len(row) for row in whole])[:, None]
    position = torch.arange(1, ids.shape[1])[None]
    return Packed(ids, (position >= first) & (position < last))
