"""Wrong labels that a generator writes on purpose, so that finding them can be scored.

A wrong label in test would corrupt every score, so a generator is told which split a context enters.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from workflow.lib.errors import DataError

OPPOSITE = {"yes": "no", "no": "yes"}


@dataclass(frozen=True)
class Flips:
    """Which recorded answers are wrong on purpose."""

    shares: Mapping[str, float]  # by split, of the questions that may have a wrong answer
    split_of: Callable[[str], str]  # of the questions about a context

    def wanted(self) -> dict[str, float]:
        """Return the splits that get some, with their shares."""
        return {split: share for split, share in self.shares.items() if share}


NONE = Flips({}, lambda context: "")


def flip(samples: Sequence[dict[str, Any]], flips: Flips, seed: int) -> list[dict[str, str]]:
    """Turn yes into no, and no into yes, in a share of the questions of ``samples``; return which they are.

    Args:
        samples: Contexts in LogicBench's form, whose answers are settled; they are changed in place.
        flips: How many, and in which splits.
        seed: Seed of the generator; what else it draws does not change.
    """
    marks = []
    for split, share in flips.wanted().items():
        able = [
            (s, asked) for s in samples if flips.split_of(s["context"]) == split for asked in s["qa_pairs"]
        ]
        if not able:
            raise DataError(
                f"flipped: {split}: expected 0.0 where no problem enters {split}, found {share}. "
                f"Fix: set it to 0.0, or let some problems into {split}."
            )
        chosen = Random(f"{seed} flipped {split}").sample(range(len(able)), round(share * len(able)))
        for sample, asked in (able[place] for place in sorted(chosen)):
            asked["answer"] = OPPOSITE[asked["answer"]]
            marks.append(
                {"context": sample["context"], "question": asked["question"], "planted": "mislabelled"}
            )
    return marks
