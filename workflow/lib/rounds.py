"""Rounds: a trained method answers the problems, its answers are verified and paired, and it trains again.

As in Iterative RPO (Pang et al. 2024, arXiv 2404.19733), ScPO (arXiv 2411.04109) and STaR (arXiv 2203.14465).
Round 1 is the method's own training. Round k > 1 of method m is a method of its own, ``m-round-k``: it is
trained, scored, compared and drawn as all methods are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflow.lib.files import digest_of

FIRST = 2  # the first round that samples from a trained method
SAMPLING = ("samples", "temperature", "top_p", "max_tokens")  # keys that a round shares with a teacher


@dataclass(frozen=True)
class Round:
    """A round after the first, of one method."""

    method: str
    number: int  # 2, 3, …

    @property
    def name(self) -> str:
        """Return the name of the method that this round trains."""
        return f"{self.method}-round-{self.number}"

    @property
    def before(self) -> str:
        """Return the method of the round before, which answers in this one."""
        return self.method if self.number == FIRST else Round(self.method, self.number - 1).name


def rounds_of(study: Mapping[str, Any]) -> dict[str, Round]:
    """Return all rounds of a study but the first ones, by the names of the methods that they train."""
    rounds = [
        Round(method, number)
        for method, settings in study["rounds"].items()
        for number in range(FIRST, settings["count"] + 1)
    ]
    return {one.name: one for one in rounds}


def methods_of(study: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings of every method that a study trains: as written, each followed by its rounds."""
    rounds = list(rounds_of(study).values())
    found: dict[str, dict[str, Any]] = {}
    for method, settings in study["methods"].items():
        found[method] = settings
        for one in (one for one in rounds if one.method == method):
            starts = {"previous": one.before, "own": settings["start_from"]}
            found[one.name] = {**settings, "start_from": starts[study["rounds"][method]["start_from"]]}
    return found


def round_teacher(study: Mapping[str, Any], model: str, one: Round, seed: int) -> dict[str, Any]:
    """Return how the adapter that answers in a round is sampled, as the settings of a teacher.

    Args:
        study: The config.
        model: Base model of the adapter.
        one: The round.
        seed: Of the adapter's training.
    """
    settings = study["rounds"][one.method]
    sampled = {key: settings[key] for key in SAMPLING}
    drawn = round_seed(settings["seed"], seed, one.number)
    return {"kind": "adapter", "model": model, **sampled, "seed": drawn}


def round_seed(seed: int, study_seed: int, number: int) -> int:
    """Return the seed of a round's samples: each round, and each seed of the study, draws other numbers."""
    return int(digest_of([seed, study_seed, number])[:7], 16)
