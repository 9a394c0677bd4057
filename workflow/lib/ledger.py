"""What asking a teacher behind an API cost: from the usage that the server told and the config's prices."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

MILLION = 1e6  # tokens that a price is for


class Prices(Protocol):
    """The part of a teacher's settings that tells what tokens cost."""

    @property
    def usd_per_million_input(self) -> float: ...  # noqa: D102
    @property
    def usd_per_million_output(self) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Ledger:
    """Requests, tokens and dollars of answers."""

    requests: int  # that were answered
    retries: int  # attempts at them beyond the first
    input_tokens: int
    output_tokens: int
    usd: float
    without_usage: int  # answers of which the server did not tell the tokens: not in the sums


def entry(records: Iterable[Mapping[str, Any]], prices: Prices) -> Ledger:
    """Return the costs of journaled answers."""
    rows = list(records)
    inputs = sum(row["prompt_tokens"] for row in rows)
    outputs = sum(row["tokens"] for row in rows)
    usd = (inputs * prices.usd_per_million_input + outputs * prices.usd_per_million_output) / MILLION
    return Ledger(
        requests=len(rows),
        retries=sum(row["attempts"] - 1 for row in rows),
        input_tokens=inputs,
        output_tokens=outputs,
        usd=round(usd, 9),
        without_usage=sum(not row["usage"] for row in rows),
    )


def account(
    asked: Iterable[Mapping[str, Any]], reused: Iterable[Mapping[str, Any]], prices: Prices
) -> dict[str, Any]:
    """Return the ledger of one job as JSON.

    Args:
        asked: Journaled answers that this job, in any of its attempts, asked for.
        reused: Answers that another job of the study had asked for and paid.
        prices: Settings of the teacher.
    """
    own, other = list(asked), list(reused)
    rows = [*own, *other]
    return {
        "asked": asdict(entry(own, prices)),
        "reused": asdict(entry(other, prices)),
        "finish_reasons": dict(sorted(Counter(row["finish_reason"] for row in rows).items())),
        "served_models": dict(sorted(Counter(row["model"] for row in rows).items())),
        "replaced_characters": sum(row["replaced"] for row in rows),
    }
