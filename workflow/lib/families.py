"""Names of methods: the trainer, and after a dash what tells one use of it from another, as ``dpo-ipo``."""

from collections.abc import Mapping
from typing import Any

REWARD = "reward"  # the family that gives scores, and no answers


def family(method: str) -> str:
    """Return the trainer of a method: ``dpo`` of ``dpo-ipo``, and of ``dpo`` itself."""
    return method.partition("-")[0]


def rewards_among(methods: Mapping[str, object]) -> list[str]:
    """Return the methods that train a reward model."""
    return [method for method in methods if family(method) == REWARD]


def scorers_of(method: Mapping[str, Any]) -> list[str]:
    """Return the reward methods whose adapters score for a method, each once; "held_out" comes last."""
    named = [about["method"] for about in method.get("rewards", ()) if about["kind"] == "adapter"]
    aside = [method["held_out"]] if method.get("held_out") else []
    return list(dict.fromkeys([*named, *aside]))


def classifiers_of(method: Mapping[str, Any]) -> list[str]:
    """Return the models that score for a method as classifiers, each once."""
    rewards = method.get("rewards", ())
    return list(dict.fromkeys(about["model"] for about in rewards if about["kind"] == "classifier"))
