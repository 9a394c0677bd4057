"""When two methods count as different: one rule for every table, figure and sentence."""

from collections.abc import Mapping
from typing import Any, Literal

ALPHA = 0.05  # family-wise level of the tests, as the reader is told
Verdict = Literal["better", "worse", "unclear"]


def verdict(row: Mapping[str, Any]) -> Verdict:
    """Return what a comparison says of its method, from ``low``, ``high`` and ``p_holm`` as in deltas.csv.

    A method is better or worse than another only where the interval of their paired difference excludes
    zero *and* Holm's corrected p-value is below ``ALPHA``.
    """
    if row["low"] == "" or row["p_holm"] == "" or float(row["p_holm"]) >= ALPHA:
        return "unclear"
    if float(row["low"]) > 0:
        return "better"
    return "worse" if float(row["high"]) < 0 else "unclear"
