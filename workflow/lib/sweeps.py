"""What the trials of a sweep scored on dev, and which of them the study's rule chooses.

All trials of a method answer the same problems, so each is compared with the best one by the paired
difference of their scores, with a cluster bootstrap over groups (``workflow.lib.statistics``). The accuracy
of the chosen trial is the largest of several, and so flattered: a reason for a choice, never a result.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workflow.lib.errors import NumericalError
from workflow.lib.records import Sample
from workflow.lib.samples import paired
from workflow.lib.statistics import Estimate, Settings, difference, mean

FAILED = Estimate(0, 0, None, None, None, None, "n/a (failed)")


@dataclass(frozen=True)
class Trial:
    """One trial: its settings, its answers on dev, and why there are none where its training failed."""

    number: int
    settings: Mapping[str, Any]
    samples: Sequence[Sample]
    failure: str | None


@dataclass(frozen=True)
class Entry:
    """A trial with what dev says about it."""

    trial: Trial
    accuracy: Estimate
    difference: Estimate  # in accuracy to the best trial, paired
    tied: bool  # with the best trial: the difference may be zero

    def row(self) -> dict[str, Any]:
        """Return the entry as a row of the choice file."""
        return {
            "trial": self.trial.number,
            "settings": dict(self.trial.settings),
            "failure": self.trial.failure,
            "n": self.accuracy.n,
            "groups": self.accuracy.groups,
            "interval": self.accuracy.interval,
            "tied": self.tied,
            **self.accuracy.columns("accuracy"),
            **self.difference.columns("difference"),
        }


def best_accuracy(entries: Sequence[Entry]) -> Entry:
    """Return the entry with the highest accuracy, the first of equals."""
    return max(entries, key=lambda entry: entry.accuracy.value or 0.0)


def first_in_tie_group(entries: Sequence[Entry]) -> Entry:
    """Return the first listed of the entries that may be as good as the best."""
    return next(entry for entry in entries if entry.tied)


RULES: dict[str, Callable[[Sequence[Entry]], Entry]] = {
    "best_accuracy": best_accuracy,
    "first_in_tie_group": first_in_tie_group,
}
IN_WORDS = {
    "best_accuracy": "highest accuracy on dev; of equals the first listed",
    "first_in_tie_group": "first listed of the trials whose paired difference in accuracy to the best one on "
    "dev may be zero",
}


def entries_of(trials: Sequence[Trial], settings: Settings) -> list[Entry]:
    """Return the entries of all trials in their order; one that failed has no estimates.

    Raises:
        NumericalError: Every trial failed.
        IntegrityError: Two trials answered different problems.
    """
    sound = [trial for trial in trials if trial.failure is None]
    if not sound:
        raise NumericalError(
            f"all {len(trials)} trials failed, the first by: {trials[0].failure} Fix: list other values."
        )
    best = max(sound, key=_mean_score)
    return [
        _entry(trial, best, settings) if trial.failure is None else Entry(trial, FAILED, FAILED, False)
        for trial in trials
    ]


def chosen(entries: Sequence[Entry], rule: str) -> Entry:
    """Return the entry that ``rule`` chooses among those that did not fail."""
    return RULES[rule]([entry for entry in entries if entry.trial.failure is None])


def _mean_score(trial: Trial) -> float:
    return float(np.mean([sample.score for sample in trial.samples]))


def _entry(trial: Trial, best: Trial, settings: Settings) -> Entry:
    pairs = paired(trial.samples, best.samples)
    ours, theirs = (np.asarray([pair[side].score for pair in pairs]) for side in (0, 1))
    groups = [sample.group_id for sample, _ in pairs]
    gap = difference(ours, theirs, groups, settings)
    return Entry(trial, mean(ours, groups, settings), gap, gap.may_be_zero())
