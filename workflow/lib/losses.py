"""Losses as pure functions: shapes in the docstring, the equation's number beside the line.

Shapes: ``B`` rows, ``T`` positions. ``logps`` are log-probabilities in nats; a mask is boolean, true where
a position counts. Nothing here knows a model, a trainer or a device.

Papers: DPO (Rafailov et al. 2023, arXiv 2305.18290), Iterative RPO (Pang et al. 2024, 2404.19733), ORPO
(Hong et al. 2024, 2403.07691), InstructGPT (Ouyang et al. 2022, 2203.02155), PPO (Schulman et al. 2017,
1707.06347), GAE (Schulman et al. 2016, 1506.02438), KL estimators (Schulman 2020, "Approximating KL").
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

TINY = 1e-8  # keeps a division or a square root away from zero


def masked_mean(values: Tensor, mask: Tensor, count: Tensor | float | None = None) -> Tensor:
    """Return the mean of ``values`` where ``mask`` is true.

    Args:
        values: Any shape.
        mask: The same shape.
        count: What to divide by instead of this mask's own count: the count of the whole batch when
            ``values`` are one micro-batch of it, so that the micro-batches add up to the batch's mean.
    """
    total = values.masked_fill(~mask, 0.0).sum()
    return total / (mask.sum().clamp(min=1) if count is None else count)


def masked_whiten(values: Tensor, mask: Tensor) -> Tensor:
    """Return ``values``, (B, T), shifted and scaled to mean 0 and variance 1 over the mask, 0 elsewhere."""
    mean = masked_mean(values, mask)
    variance = masked_mean((values - mean) ** 2, mask)
    return ((values - mean) * torch.rsqrt(variance + TINY)).masked_fill(~mask, 0.0)


def nll(logps: Tensor, mask: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of the masked tokens; ``logps`` and ``mask``: (B, T)."""
    return -masked_mean(logps, mask)


def dpo_sigmoid(
    chosen: Tensor, rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor, beta: float
) -> Tensor:
    """Return the DPO loss of each pair, (B,); all arguments are summed log-probabilities, (B,)."""
    margin = (chosen - reference_chosen) - (rejected - reference_rejected)
    return -logsigmoid(beta * margin)  # DPO (7)


def orpo_odds_ratio(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Return the odds-ratio loss of each pair, (B,).

    Args:
        chosen: Mean log-probability per token of the chosen completions, (B,), below 0.
        rejected: The same of the rejected completions, (B,).
    """
    log_odds = (chosen - torch.log(-torch.expm1(chosen))) - (rejected - torch.log(-torch.expm1(rejected)))
    return -logsigmoid(log_odds)  # ORPO (7), log-odds by ORPO (4)


def bradley_terry(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Return the reward model's loss of each pair, (B,); both arguments are scores, (B,)."""
    return -logsigmoid(chosen - rejected)  # InstructGPT (1)


def kl_k1(logps: Tensor, reference: Tensor) -> Tensor:
    """Return the unbiased estimate log π/π_ref of the KL divergence at sampled tokens, (B, T)."""
    return logps - reference


def kl_k3(logps: Tensor, reference: Tensor) -> Tensor:
    """Return the estimate r - 1 - log r, r = π_ref/π, (B, T): unbiased too, never negative, less noisy."""
    log_ratio = reference - logps
    return torch.expm1(log_ratio) - log_ratio


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float, lam: float) -> tuple[Tensor, Tensor]:
    """Return generalised advantages and returns, both (B, T) and 0 outside the mask.

    Args:
        rewards: Reward of each token, (B, T).
        values: Value of the state before each token, (B, T).
        mask: The tokens of one contiguous response per row, (B, T); its last token ends the episode.
        gamma: Discount per token.
        lam: Weight of longer returns, 0 (one step) to 1 (Monte Carlo).
    """
    values = values.masked_fill(~mask, 0.0)
    advantages = torch.zeros_like(values)
    later = torch.zeros_like(values[:, 0])
    following = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * following - values[:, t]  # GAE (12)
        later = torch.where(mask[:, t], delta + gamma * lam * later, 0.0)  # GAE (16)
        advantages[:, t] = later
        following = values[:, t]
    return advantages, (advantages + values).masked_fill(~mask, 0.0)


def ppo_policy(logps: Tensor, old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """Return the clipped policy loss of each token, (B, T); all tensors: (B, T)."""
    ratio = torch.exp(logps - old)
    clipped = ratio.clamp(1.0 - clip, 1.0 + clip)
    return -torch.minimum(ratio * advantages, clipped * advantages)  # PPO (7)


def ppo_value(values: Tensor, old: Tensor, returns: Tensor, clip: float) -> Tensor:
    """Return the clipped value loss of each token, (B, T); all tensors: (B, T).

    Departure: PPO (9) has the plain square; the clipping is that of the authors' code.
    """
    clipped = old + (values - old).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - returns) ** 2, (clipped - returns) ** 2)
