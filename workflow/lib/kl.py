"""The price of moving away from the reference: how divergence is estimated, and who sets its coefficient.

Both estimators have the expectation KL(π ‖ π_ref) under samples of π. As a *reward* only k1 has that KL's
gradient: its optimum is π ∝ π_ref exp(r / β). k3, taken as a reward, is never negative and less noisy, but
pulls towards another optimum, the one where r - β (x - 1 - log x), x = π_ref/π, is the same for all answers.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from workflow.lib import losses

ESTIMATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"k1": losses.kl_k1, "k3": losses.kl_k3}
LARGEST_ERROR = 0.2  # share of the target, Ziegler et al. 2019


def fixed(coefficient: float, kl: float, episodes: int, about: Mapping[str, Any]) -> float:
    """Return the coefficient as it is."""
    return coefficient


def adaptive(coefficient: float, kl: float, episodes: int, about: Mapping[str, Any]) -> float:
    """Return the next coefficient of the log-space proportional controller of arXiv 1909.08593, section 2.2.

    e = clip(KL / target - 1, -0.2, 0.2), β ← β (1 + K e), with K = episodes / horizon as in the authors' code
    (the paper has K = 0.1).

    Args:
        coefficient: Of the update that was made.
        kl: Its mean divergence, nats per response.
        episodes: Its responses.
        about: ``target``, nats per response, and ``horizon``, in responses.
    """
    error = max(-LARGEST_ERROR, min(LARGEST_ERROR, kl / about["target"] - 1.0))
    return float(coefficient * (1.0 + error * episodes / about["horizon"]))


CONTROLS: dict[str, Callable[[float, float, int, Mapping[str, Any]], float]] = {
    "fixed": fixed,
    "adaptive": adaptive,
}
