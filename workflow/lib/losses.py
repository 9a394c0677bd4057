"""Losses as pure functions: shapes in the docstring, the equation's number beside the line.

Shapes: ``B`` rows, ``T`` positions. ``logps`` are log-probabilities in nats; a mask is boolean, true where
a position counts. Nothing here knows a model, a trainer or a device.

Papers: DPO (Rafailov et al. 2023, arXiv 2305.18290), cDPO (Mitchell 2023, "A note on DPO with noisy
preferences"), rDPO (Chowdhury et al. 2024, 2403.00409), IPO (Azar et al. 2023, 2310.12036), Iterative RPO
(Pang et al. 2024, 2404.19733), ORPO (Hong et al. 2024, 2403.07691), KTO (Ethayarajh et al. 2024, 2402.01306),
SimPO (Meng et al. 2024, 2405.14734), InstructGPT (Ouyang et al. 2022, 2203.02155), Llama 2 (Touvron et al.
2023, 2307.09288), centring (Eisenstein et al. 2023, 2312.09244), PPO (Schulman et al. 2017, 1707.06347), GAE
(Schulman et al. 2016, 1506.02438), KL estimators (Schulman 2020, "Approximating KL"), GRPO (Shao et al.
2024, 2402.03300), Dr. GRPO (Liu et al. 2025, 2503.20783), RLOO (Ahmadian et al. 2024, 2402.14740).
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

TINY = 1e-8  # keeps a division or a square root away from zero
LEAST_SPREAD = 1e-4  # of the rewards of a group; TRL's


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


def dpo_conservative(straight: Tensor, flipped: Tensor, noise: float) -> Tensor:
    """Return the cDPO loss of each pair, (B,): the mean over labels of which a share ``noise`` is wrong.

    Args:
        straight: ``dpo_sigmoid`` of the pairs as they are labelled, (B,).
        flipped: The same with chosen and rejected exchanged, (B,).
        noise: Share of pairs whose label is thought to be the wrong way round, 0 to 0.5.
    """
    return (1.0 - noise) * straight + noise * flipped


def dpo_robust(straight: Tensor, flipped: Tensor, noise: float) -> Tensor:
    """Return the rDPO loss of each pair, (B,): its mean over flips at the rate ``noise`` is the clean loss.

    The arguments are those of ``dpo_conservative``; ``noise`` below 0.5.
    """
    return ((1.0 - noise) * straight - noise * flipped) / (1.0 - 2.0 * noise)  # rDPO, section 3.1


def dpo_ipo(
    chosen: Tensor, rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor, beta: float
) -> Tensor:
    """Return the IPO loss of each pair, (B,); all arguments are mean log-probabilities per token, (B,).

    ``beta`` is the paper's τ. Departure: the paper sums over tokens; the mean is what its authors ran, as TRL
    reports from them.
    """
    margin = (chosen - reference_chosen) - (rejected - reference_rejected)
    return (margin - 1.0 / (2.0 * beta)) ** 2  # IPO (17)


def orpo_odds_ratio(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Return the odds-ratio loss of each pair, (B,).

    Args:
        chosen: Mean log-probability per token of the chosen completions, (B,), below 0.
        rejected: The same of the rejected completions, (B,).
    """
    log_odds = (chosen - torch.log(-torch.expm1(chosen))) - (rejected - torch.log(-torch.expm1(rejected)))
    return -logsigmoid(log_odds)  # ORPO (7), log-odds by ORPO (4)


def simpo(chosen: Tensor, rejected: Tensor, beta: float, gamma: float) -> Tensor:
    """Return the SimPO loss of each pair, (B,).

    Args:
        chosen: Mean log-probability per token of the chosen completions, (B,).
        rejected: The same of the rejected completions, (B,).
        beta: Scale of the reward.
        gamma: Margin by which the chosen reward should exceed the rejected one.
    """
    return -logsigmoid(beta * (chosen - rejected) - gamma)  # SimPO (6)


def kto_divergence(logps: Tensor, reference: Tensor) -> Tensor:
    """Return the reference point of KTO, a scalar without gradient, from completions of other prompts.

    Args:
        logps: Summed log-probability of each completion after a prompt that it does not belong to, (B,).
        reference: The same under the reference policy, (B,).
    """
    return (logps - reference).mean().clamp(min=0.0).detach()  # KTO, section 4.1, estimate of z_0


def kto(logps: Tensor, reference: Tensor, desirable: Tensor, divergence: Tensor, beta: float) -> Tensor:
    """Return the KTO loss of each completion before its weight, (B,).

    Args:
        logps: Summed log-probabilities, (B,).
        reference: The same under the reference policy, (B,).
        desirable: Which completions are good ones, boolean, (B,).
        divergence: ``kto_divergence``.
        beta: Strength of the pull towards the reference.
    """
    gain = (logps - reference) - divergence
    return 1.0 - torch.sigmoid(beta * torch.where(desirable, gain, -gain))  # KTO (7), weights apart


def bradley_terry(chosen: Tensor, rejected: Tensor, margin: Tensor | float = 0.0) -> Tensor:
    """Return the reward model's loss of each pair, (B,).

    Args:
        chosen: Scores of the chosen completions, (B,).
        rejected: Scores of the rejected completions, (B,).
        margin: By how much the chosen score should be the higher one, (B,).
    """
    return -logsigmoid(chosen - rejected - margin)  # InstructGPT (1), with the margin Llama 2 (2)


def centring(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Return what keeps the scores of each pair around 0, (B,); the arguments are scores, (B,)."""
    return (chosen + rejected) ** 2  # centring (2)


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


def group_advantages(rewards: Tensor, *, scaled: bool) -> Tensor:
    """Return the advantage of each answer over the mean of its group, (P, G).

    Args:
        rewards: Of the G answers to each of P prompts, (P, G).
        scaled: Whether it is divided by the group's standard deviation, as in GRPO; Dr. GRPO does not.

    Departure: the standard deviation is that of a sample (G - 1), and ``LEAST_SPREAD`` is added, as in TRL.
    """
    advantages = rewards - rewards.mean(dim=1, keepdim=True)  # Dr. GRPO, section 3.2
    if not scaled:
        return advantages
    return advantages / (rewards.std(dim=1, keepdim=True) + LEAST_SPREAD)  # GRPO, section 4.1.2


def leave_one_out(rewards: Tensor) -> Tensor:
    """Return the advantage of each answer over the mean of the others in its group; both: (P, G)."""
    others = rewards.sum(dim=1, keepdim=True) - rewards
    return rewards - others / (rewards.shape[1] - 1)  # RLOO, section 2.3


def mean_of_answers(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over answers of the mean over the tokens of each; ``values`` and ``mask``: (B, T)."""
    sums = values.masked_fill(~mask, 0.0).sum(dim=1)
    return (sums / mask.sum(dim=1).clamp(min=1)).mean()  # GRPO (3)


def mean_of_budget(values: Tensor, mask: Tensor, longest: int) -> Tensor:
    """Return the sum over tokens, divided by the tokens that the answers might have had.

    Args:
        values: Of each token, (B, T).
        mask: Tokens of the answers, (B, T).
        longest: Tokens after which an answer is cut.
    """
    return masked_mean(values, mask, count=float(len(values) * longest))  # Dr. GRPO, section 3.2
