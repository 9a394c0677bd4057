"""One budget for all methods of a study: how many steps it buys, and how far a training is.

Units: ``tokens`` that a training passes through (a prompt counts once per completion), optimizer ``steps``,
``pairs`` (rows; for PPO: responses), ``seconds`` of training. Where the number of steps follows from the
budget, so does the learning rate's schedule, and the same seed gives the same bytes. Seconds are told by the
clock: they never give the same bytes twice. A budget replaces ``epochs`` and ``updates``.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow.lib.errors import DataError
from workflow.lib.files import read_json, write_json

SECONDS = "seconds"  # the unit whose end is not known beforehand
MOST_STEPS = 1_000_000  # where only the clock ends a training
SAVE_EVERY = 10.0  # seconds between two notes of the time spent
Share = Callable[[Sequence[Mapping[str, float]]], float]  # of the way, 0 to 1, after these updates


@dataclass(frozen=True)
class Budget:
    """What every method of a study may spend."""

    unit: str
    amount: int

    def __str__(self) -> str:
        """Return the budget as messages name it."""
        return f"train.budget: {self.amount} {self.unit}"


@dataclass(frozen=True)
class Epoch:
    """One pass over the data of a method."""

    sequences: int  # what a step takes ``batch_size`` of
    batch_size: int  # the last batch may be smaller
    pairs: int  # rows; more than sequences where these are packed
    tokens: int | None  # of all rows; None where they are not known beforehand

    @property
    def steps(self) -> int:
        """Return the optimizer steps of the pass."""
        return math.ceil(self.sequences / self.batch_size)

    def share_after(self, steps: int, whole: int) -> int:
        """Return how many of ``whole``, the count of something in one pass, ``steps`` steps pass through.

        Exact for whole passes and for sequences. For tokens within a pass it is the expectation over orders.
        """
        passes, rest = divmod(steps, self.steps)
        return whole * (passes * self.sequences + rest * self.batch_size) // self.sequences

    def steps_within(self, amount: int, whole: int) -> int:
        """Return the most steps that pass through no more than ``amount`` of ``whole`` per pass."""
        passes, rest = divmod(amount * self.sequences // whole, self.sequences)
        return passes * self.steps + rest // self.batch_size


def _steps_of_tokens(epoch: Epoch, amount: int) -> int:
    if epoch.tokens is None:
        raise DataError(
            "train.budget: unit: this method writes its own tokens, so they cannot be counted beforehand. "
            "Fix: give the budget in steps or pairs."
        )
    return epoch.steps_within(amount, epoch.tokens)


STEPS: dict[str, Callable[[Epoch, int], int]] = {
    "steps": lambda epoch, amount: amount,
    "pairs": lambda epoch, amount: epoch.steps_within(amount, epoch.pairs),
    "tokens": _steps_of_tokens,
    SECONDS: lambda epoch, amount: MOST_STEPS,
}


def steps_bought(budget: Budget, epoch: Epoch) -> int:
    """Return the optimizer steps that ``budget`` buys on rows, never more than it pays for."""
    steps = STEPS[budget.unit](epoch, budget.amount)
    if steps < 1:
        raise DataError(
            f"{budget}: expected enough for one step of {epoch.batch_size} rows, found less. Fix: raise it."
        )
    return steps


class Clock:
    """Seconds of training so far, over all attempts: the time that a killed attempt lost is spent too."""

    def __init__(self, amount: float, note: Path) -> None:
        """Start at once; ``note`` is the file in which the time spent outlives the process."""
        self._amount = amount
        self._note = note
        self._before = float(read_json(note)["seconds"]) if note.exists() else 0.0
        self._begun = self._noted = time.monotonic()

    def spent(self) -> float:
        """Return the seconds spent, and note them from time to time."""
        now = time.monotonic()
        seconds = self._before + now - self._begun
        if now - self._noted > SAVE_EVERY:
            self._noted = now
            write_json(self._note, {"seconds": seconds})
        return seconds

    def share(self) -> float:
        """Return the share of the budget that is spent, at most 1."""
        return min(1.0, self.spent() / self._amount)

    def rate(self, warmup: float) -> float:
        """Return the factor of the learning rate now: up to 1 after the share ``warmup``, then down to 0."""
        share = self.share()
        return share / warmup if share < warmup else (1.0 - share) / (1.0 - warmup)


def updates_bought(budget: Budget, responses: int, steps: int) -> int:
    """Return the updates that ``budget`` buys a method with ``responses`` and ``steps`` per update."""
    updates = {"steps": budget.amount // steps, "pairs": budget.amount // responses}[budget.unit]
    if updates < 1:
        raise DataError(
            f"{budget}: expected enough for one update of {responses} responses and {steps} steps, found "
            "less. Fix: raise it."
        )
    return updates


def pace(budget: Budget, clock: Clock | None, responses: int, steps: int) -> Share:
    """Return how far an on-policy training is after the records of its updates.

    Args:
        budget: Of the study.
        clock: For a budget in seconds.
        responses: Per update.
        steps: Optimizer steps per update.

    A budget in tokens or seconds ends with the update that exhausts it.
    """
    if clock is not None:
        return lambda history: clock.share()
    if budget.unit == "tokens":
        return lambda history: min(1.0, sum(record["tokens"] for record in history) / budget.amount)
    total = updates_bought(budget, responses, steps)
    return lambda history: len(history) / total
