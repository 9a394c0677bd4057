"""Whether a policy in training is well: what is measured of its responses, and the alarms that stop it.

Most limits are relative to the first update, because what is a long answer or a high entropy depends on the
task and the model.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from workflow.lib.errors import NumericalError

GRAM = 4  # tokens, as in seq-rep-4 of Welleck et al. 2020 (arXiv 1908.04319)
SLOWER = "Fix: raise kl_coefficient or lower the learning rate."


@dataclass(frozen=True)
class Alarms:
    """When a training is stopped; the section ``alarms`` of a method."""

    most_kl: float  # nats per response
    least_entropy: float  # share of the first update's
    least_length: float  # share of the first update's mean length
    most_length: float  # multiple of it
    most_repetition: float  # mean share of repeated 4-grams


def repetition(responses: Sequence[Sequence[int]]) -> float:
    """Return the mean share of a response's 4-grams of tokens that were there before, 0 to 1."""
    shares = []
    for tokens in responses:
        grams = [tuple(tokens[i : i + GRAM]) for i in range(len(tokens) - GRAM + 1)]
        shares.append(1.0 - len(set(grams)) / len(grams) if grams else 0.0)
    return math.fsum(shares) / len(shares)


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> float:
    """Return 1 - Var(returns - values) / Var(returns) over the mask; 0 where the returns do not vary."""
    total = returns[mask].var(correction=0)
    left = (returns - values)[mask].var(correction=0)
    return float(1.0 - left / total) if total > 0 else 0.0


def check(record: Mapping[str, float], first: Mapping[str, float], alarms: Alarms) -> None:
    """Raise ``NumericalError`` that names what is wrong with an update, if anything is.

    Args:
        record: Of the update.
        first: Of the first update.
        alarms: The limits.
    """
    at = f"PPO update {record['step']:.0f}"
    for name, value in record.items():
        if not math.isfinite(value):
            raise NumericalError(f"{at}: {name} is {value}. Fix: lower the learning rate.")
    if record["kl"] > alarms.most_kl:
        raise NumericalError(
            f"{at}: kl to the reference is {record['kl']:.3g} nats per response, most_kl is "
            f"{alarms.most_kl:g}. {SLOWER}"
        )
    for name, least, unit in (
        ("entropy", alarms.least_entropy, "nats per token"),
        ("length", alarms.least_length, "tokens"),
    ):
        if record[name] < least * first[name]:
            raise NumericalError(
                f"{at}: {name} collapsed from {first[name]:.3g} to {record[name]:.3g} {unit}, "
                f"least_{name} is {least:g} of the first. {SLOWER}"
            )
    if record["length"] > alarms.most_length * first["length"]:
        raise NumericalError(
            f"{at}: length exploded from {first['length']:.3g} to {record['length']:.3g} tokens, most_length "
            f"is {alarms.most_length:g} times the first. Fix: raise missing_eos_penalty or kl_coefficient."
        )
    if record["repetition"] > alarms.most_repetition:
        raise NumericalError(
            f"{at}: repetition: {record['repetition']:.3g} of the responses' 4-grams were there before, "
            f"most_repetition is {alarms.most_repetition:g}. {SLOWER}"
        )
