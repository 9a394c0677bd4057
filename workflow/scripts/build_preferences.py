"""Turn verified samples into SFT rows, chosen/rejected pairs and prompts, all in the student's words.

The student's prompt stands around every completion, whatever prompt the teacher had (context distillation).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from workflow.lib.errors import DataError
from workflow.lib.files import sha256, write_json
from workflow.lib.logs import capture
from workflow.lib.pairing import (
    STRATEGIES,
    Asked,
    Caps,
    ambiguous_problems,
    by_problem,
    choose,
    funnel,
    lengths,
    pair_rows,
    prompt_rows,
    sft_rows,
)
from workflow.lib.parquet import write_parquet
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Pair, Problem, Prompt, SftRow, Verified, load, table

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


@dataclass(frozen=True)
class PreferenceSettings:
    """The section ``preferences`` of the config."""

    strategy: dict[str, Literal["right_vs_wrong", "gold_vs_wrong"]]  # by dataset
    max_sft_per_problem: int
    max_pairs_per_problem: int
    seed: int


def ask(
    problems: dict[str, list[Problem]],
    samples: dict[str, list[Verified]],
    words: PromptFile,
    dataset: str,
    settings: PreferenceSettings,
) -> list[Asked]:
    """Return every problem (by split) that is not ambiguous, with what its samples give."""
    strategy = STRATEGIES[settings.strategy[dataset]]
    caps = Caps(settings.max_sft_per_problem, settings.max_pairs_per_problem, settings.seed)
    left_out = ambiguous_problems(samples)
    return [
        choose(p, split, words.render(p), strategy(p, samples[p.problem_id]), caps)
        for split, rows in problems.items()
        for p in sorted(rows, key=lambda problem: problem.problem_id)
        if p.problem_id not in left_out
    ]


def check_rows(dataset: str, sft: list[SftRow], pairs: list[Pair]) -> None:
    """Fail unless there is something to train on, and every pair holds two different texts."""
    if not any(row.split == "train" for row in sft):
        raise DataError(
            f"dataset '{dataset}': no verified completion for any train problem. Fix: see the funnel in "
            f"results/rationales/{dataset}/card.json; use a better teacher or prompt, or, where the choices "
            f"are whole answers, set preferences.strategy.{dataset} to gold_vs_wrong."
        )
    if not any(row.split == "train" for row in pairs):
        raise DataError(
            f"dataset '{dataset}': no train problem has both a good and a bad completion, so there is no "
            "pair. Fix: raise the samples or the temperature of its teachers."
        )
    bad = [p.row_id for p in pairs if p.chosen == p.rejected or not p.chosen or not p.rejected]
    if bad:
        raise DataError(f"dataset '{dataset}': chosen and rejected must be two texts: {bad[:20]}")


def about(dataset: str, problems: int, asked: list[Asked], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the card: the funnel, the rows per split, and the lengths of what is chosen and rejected."""
    sft, pairs = sft_rows(asked), pair_rows(asked)
    kinds: dict[str, Sequence[SftRow | Pair | Prompt]] = {
        "sft": sft,
        "pairs": pairs,
        "prompts": prompt_rows(asked),
    }
    return {
        "dataset": dataset,
        "stage": "preferences",
        "funnel": funnel(problems, asked),
        "rows_per_split": {kind: dict(Counter(r.split for r in rows)) for kind, rows in kinds.items()},
        "rows_per_category": {kind: dict(Counter(r.category for r in rows)) for kind, rows in kinds.items()},
        "lengths": {
            "completion": lengths([row.completion for row in sft]),
            "chosen": lengths([row.chosen for row in pairs]),
            "rejected": lengths([row.rejected for row in pairs]),
        },
        "settings": settings,
    }


def main(
    *,
    train: str,
    dev: str,
    verified: str,
    prompt: str,
    sft: str,
    pairs: str,
    prompts: str,
    card: str,
    dataset: str,
    settings: dict[str, Any],
) -> None:
    """Write the SFT rows, the pairs, the prompts and the card of one dataset."""
    problems = {"train": load(train, Problem), "dev": load(dev, Problem)}
    samples = by_problem(load(verified, Verified))
    asked = ask(problems, samples, PromptFile(prompt), dataset, PreferenceSettings(**settings))
    check_rows(dataset, sft_rows(asked), pair_rows(asked))
    note = {"inputs": {"verified": sha256(verified), "prompt": sha256(prompt)}}
    write_parquet(sft, table(sft_rows(asked), SftRow), note)
    write_parquet(pairs, table(pair_rows(asked), Pair), note)
    write_parquet(prompts, table(prompt_rows(asked), Prompt), note)
    write_json(card, about(dataset, sum(map(len, problems.values())), asked, settings))


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        train=snakemake.input.train,
        dev=snakemake.input.dev,
        verified=snakemake.input.verified,
        prompt=snakemake.input.prompt,
        sft=snakemake.output.sft,
        pairs=snakemake.output.pairs,
        prompts=snakemake.output.prompts,
        card=snakemake.output.card,
        dataset=snakemake.wildcards.dataset,
        settings=snakemake.params.settings,
    )
