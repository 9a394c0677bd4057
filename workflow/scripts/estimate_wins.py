"""Estimate how often a judge finds a policy's answer better than the base's, and how far one can believe it.

An answer wins where the judge names it in both orders; a pair that is split between the orders and one of
equal texts count one half; a pair with a reply that cannot be read is counted apart. Beside the win rate
stands what tells of the judge: the share of its replies that name the place shown first (½ without favour),
the win rate at equal length, and how often it names the right one of a right and a wrong answer (½ by
chance).
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workflow.lib.duels import EQUAL, PLACE, SPLIT, WORTH, Duel, answer_of, counted, duels, pairs_of
from workflow.lib.files import read_jsonl, write_csv
from workflow.lib.indices import files_of
from workflow.lib.length_control import length_controlled
from workflow.lib.logs import capture
from workflow.lib.opinions import UNPARSED
from workflow.lib.records import Opinion
from workflow.lib.samples import Key, key_of, load_samples
from workflow.lib.spreads import COLUMNS as SPREAD
from workflow.lib.spreads import spread
from workflow.lib.statistics import Estimate, Floats, Settings, mean, rounded

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

ENDS = {"win": "wins", "loss": "losses", SPLIT: "split", EQUAL: "equal", UNPARSED: "unparsed"}
RUN = (*PLACE, "method")
COLUMNS = [
    *(*PLACE, "judge", "method", "seed", "n", "groups", *ENDS.values()),
    *("win", "win_low", "win_high", "interval", *SPREAD, "first_share", "words"),
    *("equal_length", "equal_length_low", "equal_length_high", "equal_length_interval"),
    *("exact", "agreement", "agreement_low", "agreement_high"),
]

Row = dict[str, Any]


def won(found: Sequence[Duel]) -> Floats:
    """Return what each end is worth to the policy, (N,): 1, ½ or 0."""
    return np.asarray([WORTH[duel.end] for duel in found], dtype=float)


def longer(found: Sequence[Duel]) -> Floats:
    """Return by how many words each answer is longer than the base's, as the judge sees them, (N,)."""
    sizes = [[len(answer_of(sample).split()) for sample in (duel.ours, duel.base)] for duel in found]
    return np.asarray([ours - base for ours, base in sizes], dtype=float)


def agreement(found: Sequence[Duel], settings: Settings) -> Estimate:
    """Return how often the judge names the right one of a right and a wrong answer; a split is one half."""
    told = [duel for duel in found if {duel.ours.score, duel.base.score} == {0.0, 1.0}]
    right = [WORTH[duel.end] if duel.ours.score else 1 - WORTH[duel.end] for duel in told]
    return mean(np.asarray(right, dtype=float), [duel.ours.group_id for duel in told], settings)


def row_of(found: Sequence[Duel], settings: Settings) -> Row:
    """Return the row of one policy, of one seed or of all."""
    known = counted(found)
    groups, values, gaps = [duel.ours.group_id for duel in known], won(known), longer(known)
    wins, places = mean(values, groups, settings), [place for duel in found for place in duel.places]
    level, exact = length_controlled(values, gaps, groups, settings), agreement(known, settings)
    seeds = [duel.ours.seed for duel in known]
    return {
        **{"n": len(found), "groups": len({duel.ours.group_id for duel in found})},
        **{column: sum(duel.end == end for duel in found) for end, column in ENDS.items()},
        **wins.rounded_columns("win"),
        "interval": wins.interval,
        **spread(values, seeds, wins, settings.confidence).columns(),
        "first_share": rounded(places.count("first") / len(places) if places else None),
        "words": rounded(float(gaps.mean()) if len(gaps) else None),
        **level.rounded_columns("equal_length"),
        "equal_length_interval": level.interval,
        "exact": exact.n,
        **exact.rounded_columns("agreement"),
    }


def rows_of(found: Sequence[Duel], settings: Settings) -> Iterator[Row]:
    """Yield the row over all seeds and of each seed, of every policy."""
    runs: dict[Key, list[Duel]] = {}
    for duel in found:
        runs.setdefault(key_of(duel.ours, RUN), []).append(duel)
    for names, run in runs.items():
        about = dict(zip(RUN, names, strict=True))
        yield about | {"seed": "all"} | row_of(run, settings)
        for seed in sorted({duel.ours.seed for duel in run}):
            some = [duel for duel in run if duel.ours.seed == seed]
            yield about | {"seed": seed} | row_of(some, settings)


def main(
    *,
    samples: Sequence[str],
    judged: Sequence[str],
    wins: str,
    judge: dict[str, Any] | None,
    settings: dict[str, Any],
) -> None:
    """Write the table of what the judge made of the answers.

    Args:
        samples: Parquet files of the answers that were judged.
        judged: JSON Lines files of the replies; no judge, no files and no rows.
        wins: CSV file to write.
        judge: The section ``evaluation.judge`` of the config.
        settings: The section ``analysis`` of the config.
    """
    given = [Opinion(**record) for path in judged for record in read_jsonl(path)]
    found = duels(pairs_of(load_samples(samples), judge["problems"]), given) if judge else []
    by = {"judge": judge["by"]} if judge else {}
    write_csv(wins, [row | by for row in rows_of(found, Settings(**settings))], COLUMNS)
    print(f"{len(found)} pairs of answers, {len(given)} replies of {len(judged)} files")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        judged=snakemake.input.judged,
        wins=snakemake.output.wins,
        judge=snakemake.params.judge,
        settings=snakemake.params.settings,
    )
