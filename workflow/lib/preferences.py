"""What all ways to preferences share: their settings, the three files, and the card."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from workflow.lib.balance import control_lengths
from workflow.lib.errors import DataError
from workflow.lib.files import write_json
from workflow.lib.lengths import length_bias, lengths
from workflow.lib.pairing import Asked, Choice, pair_rows, prompt_rows, sft_rows, vote_margin
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Pair, Prompt, SftRow, table


@dataclass(frozen=True)
class PreferenceSettings:
    """The section ``preferences`` of the config."""

    strategy: dict[str, Literal["right_vs_wrong", "gold_vs_wrong", "votes", "given", "passages"]]
    ambiguous: Literal["leave_out", "keep"]
    min_vote_margin: float  # lead of the chosen answer, as a share of the votes; strategy votes only
    max_sft_per_problem: int
    sft_length: Literal["none", "shortest", "balanced"]
    max_pairs_per_problem: int
    pair_choice: Literal["random", "nearest_length", "hardest_negative"]
    length_control: Literal["none", "match_means"]
    margin: Literal["none", "votes", "logprob"]
    seed: int

    @property
    def choice(self) -> Choice:
        """Return what is taken of each problem."""
        return Choice(
            self.max_sft_per_problem,
            self.sft_length,
            self.max_pairs_per_problem,
            self.pair_choice,
            self.seed,
        )


@dataclass(frozen=True)
class Outputs:
    """Paths of the three files and their card."""

    sft: str
    pairs: str
    prompts: str
    card: str


@dataclass(frozen=True)
class Preferences:
    """The rows of one dataset, and what was asked for them before and after the control of lengths."""

    before: list[Asked]
    asked: list[Asked]
    sft: list[SftRow]
    pairs: list[Pair]
    prompts: list[Prompt]


def rows_from(asked: Sequence[Asked], settings: PreferenceSettings) -> Preferences:
    """Return the rows of ``asked`` after the control of lengths."""
    controlled = control_lengths(asked, settings.length_control)
    return Preferences(
        before=list(asked),
        asked=controlled,
        sft=sft_rows(controlled),
        pairs=pair_rows(controlled, settings.margin),
        prompts=prompt_rows(controlled),
    )


def check_pairs(dataset: str, pairs: Sequence[Pair]) -> None:
    """Fail unless every pair holds two different texts, neither of them empty.

    TRL's trainers take such pairs without a word.
    """
    bad = [
        p.row_id
        for p in pairs
        if p.chosen.strip() == p.rejected.strip() or not p.chosen.strip() or not p.rejected.strip()
    ]
    if bad:
        raise DataError(
            f"dataset '{dataset}': chosen and rejected must be two texts, and are not in {len(bad)} of "
            f"{len(pairs)} pairs: {bad[:20]}. Fix: mend the strategy that made them."
        )


def write_preferences(made: Preferences, outputs: Outputs, inputs: Mapping[str, str]) -> None:
    """Write the three files; ``inputs`` are digests of what they were made from."""
    note = {"inputs": dict(inputs)}
    write_parquet(outputs.sft, table(made.sft, SftRow), note)
    write_parquet(outputs.pairs, table(made.pairs, Pair), note)
    write_parquet(outputs.prompts, table(made.prompts, Prompt), note)


def write_card(
    path: str,
    dataset: str,
    made: Preferences,
    funnel: list[dict[str, Any]],
    settings: Mapping[str, Any],
    left_out: Mapping[str, Sequence[str]],
) -> None:
    """Write the card: the funnel, rows per split and category, lengths before and after their control.

    Args:
        path: Destination.
        dataset: Whose rows they are.
        made: The rows.
        funnel: Rows in and out of every step, with the reasons.
        settings: The section ``preferences`` of the config.
        left_out: Some ids of what was left out, by reason.
    """
    kinds: dict[str, Sequence[SftRow | Pair | Prompt]] = {
        "sft": made.sft,
        "pairs": made.pairs,
        "prompts": made.prompts,
    }
    margins = [vote_margin(*pair) for a in made.asked for pair in a.pairs]
    card = {
        "dataset": dataset,
        "stage": "preferences",
        "funnel": funnel,
        "left_out": {reason: list(keys)[:20] for reason, keys in left_out.items()},
        "rows_per_split": {kind: dict(Counter(r.split for r in rows)) for kind, rows in kinds.items()},
        "rows_per_category": {kind: dict(Counter(r.category for r in rows)) for kind, rows in kinds.items()},
        "lengths": {
            "completion": lengths([row.completion for row in made.sft]),
            "chosen": lengths([row.chosen for row in made.pairs]),
            "rejected": lengths([row.rejected for row in made.pairs]),
        },
        "length_bias": {"before": _bias(made.before), "after": _bias(made.asked)},
        "exchanged_for_length": _exchanged(made),
        # Gold may be wrong where most answers are against it.
        "pairs_against_the_vote": sum(margin is not None and margin < 0 for margin in margins),
        "pairs_without_vote": sum(margin is None for margin in margins),
        "negatives_without_logprob": sum(bad.logprob is None for a in made.asked for _, bad in a.pairs),
        "settings": dict(settings),
    }
    write_json(path, card)


def _bias(asked: Sequence[Asked]) -> dict[str, Any]:
    return length_bias([(chosen.text, rejected.text) for a in asked for chosen, rejected in a.pairs])


def _exchanged(made: Preferences) -> int:
    """Return how many pairs the control of lengths put in the place of others."""
    return sum(len(set(new.pairs) - set(old.pairs)) for old, new in zip(made.before, made.asked, strict=True))
