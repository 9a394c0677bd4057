"""Two methods on the same problems: paired difference, exact signs, and what the study could have found.

Two answers are a pair when problem, repeat and seed are the same; a group of problems gives one vote in
McNemar's test (see ``workflow.lib.statistics.mcnemar``). ``detectable`` is the least true difference that
one comparison alone would find with a power of 80 %.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from workflow.lib.records import Sample
from workflow.lib.samples import paired
from workflow.lib.spreads import COLUMNS as SPREAD
from workflow.lib.spreads import spread
from workflow.lib.statistics import NOISE, Settings, detectable, difference, holm, mcnemar, rounded

POWER = 0.8  # of the detectable difference
P_DIGITS = 6  # significant digits of a p-value in a table
NUMBERS = [
    *("n", "groups", "delta", "low", "high", "interval", *SPREAD, "gained", "lost", "better", "worse"),
    *("p_mcnemar", "p_holm", "detectable"),
]

Row = dict[str, Any]


def compare(left: Sequence[Sample], right: Sequence[Sample], settings: Settings) -> Row:
    """Return what the answers ``left`` of one method and ``right`` of another tell, without Holm's p-value.

    ``gained`` and ``lost`` count the discordant answers, ``better`` and ``worse`` the groups.
    """
    pairs = paired(left, right)
    ours, theirs = (np.asarray([pair[side].score for pair in pairs]) for side in (0, 1))
    groups = [sample.group_id for sample, _ in pairs]
    found = difference(ours, theirs, groups, settings)
    signs = mcnemar(ours, theirs, groups)
    return {
        "method": left[0].method,
        "against": right[0].method,
        **found.cells("delta"),
        **spread(ours - theirs, [s.seed for s, _ in pairs], found, settings.confidence).columns(),
        "gained": int((ours - theirs > NOISE).sum()),
        "lost": int((theirs - ours > NOISE).sum()),
        "better": signs.better,
        "worse": signs.worse,
        "p_mcnemar": signs.p,
        "detectable": rounded(detectable(found.error, confidence=settings.confidence, power=POWER)),
    }


def corrected(family: Iterable[Row]) -> list[Row]:
    """Return the rows of one family of comparisons with Holm's p-value, both p-values rounded."""
    rows = list(family)
    adjusted = holm([row["p_mcnemar"] for row in rows])
    return [
        row | {"p_mcnemar": digits(row["p_mcnemar"]), "p_holm": digits(p)}
        for row, p in zip(rows, adjusted, strict=True)
    ]


def digits(p: float) -> float:
    """Return a p-value as it stands in a table."""
    return float(f"{p:.{P_DIGITS}g}")
