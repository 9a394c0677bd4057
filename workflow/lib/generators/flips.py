"""Wrong labels that a generator writes on purpose, so that finding them can be scored.

A wrong label in test would corrupt every score, so a generator is told which contexts never enter test.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from workflow.lib.errors import DataError

OPPOSITE = {"yes": "no", "no": "yes"}


@dataclass(frozen=True)
class Flips:
    """Which recorded answers are wrong on purpose."""

    share: float  # of the questions that may have a wrong answer
    never_tested: Callable[[str], bool]  # whether the questions about a context never enter test


NONE = Flips(0.0, lambda context: False)


def flip(samples: Sequence[dict[str, Any]], flips: Flips, seed: int) -> list[dict[str, str]]:
    """Turn yes into no, and no into yes, in a share of the questions of ``samples``; return which they are.

    Args:
        samples: Contexts in LogicBench's form, whose answers are settled; they are changed in place.
        flips: How many, and about which contexts.
        seed: Seed of the generator; what else it draws does not change.
    """
    able = [
        (s["context"], asked) for s in samples if flips.never_tested(s["context"]) for asked in s["qa_pairs"]
    ]
    if flips.share and not able:
        raise DataError(
            f"flipped: expected 0.0 where every problem may enter test, found {flips.share}. "
            "Fix: set it to 0.0, or let some problems into train."
        )
    chosen = Random(f"{seed} flipped").sample(range(len(able)), round(flips.share * len(able)))
    marks = []
    for context, asked in (able[place] for place in sorted(chosen)):
        asked["answer"] = OPPOSITE[asked["answer"]]
        marks.append({"context": context, "question": asked["question"], "planted": "mislabelled"})
    return marks
