"""Estimate what scorers make of every policy's answers, and what that cost in divergence from the base.

The mean reward and the share of answers that score above the base's answer to the same problem, repeat and
seed (the win rate; a tie counts one half) stand beside the mean log-ratio to the base: the frontier of reward
against KL (Gao et al. 2023, arXiv 2210.10760; Rafailov et al. 2023, figure 2). Reward models of two seeds
have no common zero, so the spread over seeds is that of the differences to the base.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workflow.lib.errors import IntegrityError
from workflow.lib.files import write_csv
from workflow.lib.logs import capture
from workflow.lib.records import AnswerScore, load
from workflow.lib.samples import PAIR, grouped, key_of
from workflow.lib.spreads import COLUMNS as SPREAD
from workflow.lib.spreads import spread
from workflow.lib.statistics import Settings, average, mean, rounded

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

RUN = ["dataset", "model", "task", "scorer", "method"]
COLUMNS = [
    *(*RUN, "seed", "n", "groups", "reward", "reward_low", "reward_high", "delta", "low", "high"),
    *("interval", *SPREAD, "win", "win_low", "win_high", "kl", "kl_low", "kl_high", "tokens"),
]
BASE = "base"
TIE = 0.5  # what an answer that scores like the base's counts

Row = dict[str, Any]


def against(ours: Sequence[AnswerScore], base: Sequence[AnswerScore], settings: Settings) -> Row:
    """Return the paired difference in reward to the base, and the win rate; of the base, nothing."""
    if ours[0].method == BASE:
        return {}
    theirs = {key_of(score, PAIR): score.reward for score in base}
    if {key_of(score, PAIR) for score in ours} != theirs.keys():
        raise IntegrityError(f"scores of {ours[0].method} and base on {ours[0].task}: other answers in each")
    gaps = np.asarray([score.reward - theirs[key_of(score, PAIR)] for score in ours])
    groups = [score.group_id for score in ours]
    won = np.where(gaps > 0, 1.0, np.where(gaps < 0, 0.0, TIE))
    wins = mean(won, groups, settings)
    found = average(gaps, groups, settings)
    return {
        **found.cells("delta"),
        **spread(gaps, [score.seed for score in ours], found, settings.confidence).columns(),
        **wins.rounded_columns("win"),
    }


def row_of(ours: Sequence[AnswerScore], base: Sequence[AnswerScore], settings: Settings) -> Row:
    """Return the row of the answers of one policy, of one seed or of all."""
    groups = [score.group_id for score in ours]
    rewards = np.asarray([score.reward for score in ours])
    found = average(rewards, groups, settings)
    ratios = [score.log_ratio for score in ours]
    moved = None if None in ratios else average(np.asarray(ratios, dtype=float), groups, settings)
    return {
        **{field: getattr(ours[0], field) for field in RUN},
        **{"n": found.n, "groups": found.groups},
        **found.rounded_columns("reward"),
        **against(ours, base, settings),
        **(moved.rounded_columns("kl") if moved else {}),
        "tokens": rounded(float(np.mean([score.tokens for score in ours]))),
    }


def rows_of(scores: Sequence[AnswerScore], settings: Settings) -> Iterator[Row]:
    """Yield the row over all seeds and of each seed, of every policy."""
    runs = grouped(scores, *RUN)
    for names, run in runs.items():
        base = runs[*names[:-1], BASE]
        yield row_of(run, base, settings) | {"seed": "all"}
        for (seed,), some in sorted(grouped(run, "seed").items()):
            yield row_of(some, [s for s in base if s.seed == seed], settings) | {"seed": seed}


def main(*, scores: Sequence[str], frontier: str, settings: dict[str, Any]) -> None:
    """Write the table of what the scores in the files ``scores`` say of each policy."""
    found = [score for path in scores for score in load(path, AnswerScore)]
    write_csv(frontier, list(rows_of(found, Settings(**settings))), COLUMNS)
    print(f"{len(found)} scores of {len(scores)} files")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        scores=snakemake.input.scores,
        frontier=snakemake.output.frontier,
        settings=snakemake.params.settings,
    )
