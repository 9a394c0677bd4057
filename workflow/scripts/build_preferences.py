"""Turn verified samples into SFT rows, chosen/rejected pairs and prompts, all in the student's words.

The student's prompt stands around every completion, whatever prompt the teacher had (context distillation).
"""

from typing import TYPE_CHECKING, Any

from workflow.lib.errors import DataError
from workflow.lib.files import sha256
from workflow.lib.logs import capture
from workflow.lib.pairing import Asked, ambiguous_problems, by_problem, choose, funnel
from workflow.lib.preferences import (
    Outputs,
    Preferences,
    PreferenceSettings,
    check_pairs,
    rows_from,
    write_card,
    write_preferences,
)
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Pair, Problem, Verified, load
from workflow.lib.sides import STRATEGIES, Strategy

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def left_out(samples: dict[str, list[Verified]], settings: PreferenceSettings) -> set[str]:
    """Return the problems that nothing is taken from."""
    return ambiguous_problems(samples) if settings.ambiguous == "leave_out" else set()


def ask(
    problems: dict[str, list[Problem]],
    samples: dict[str, list[Verified]],
    words: PromptFile,
    strategy: Strategy,
    settings: PreferenceSettings,
) -> list[Asked]:
    """Return every problem (by split) that is not left out, with what its samples give."""
    out = left_out(samples, settings)
    kept = [
        (split, problem)
        for split, rows in problems.items()
        for problem in sorted(rows, key=lambda problem: problem.problem_id)
        if problem.problem_id not in out
    ]
    return [
        choose(
            p,
            split,
            words.render(p),
            strategy.sides(p, samples[p.problem_id], settings.min_vote_margin),
            settings.choice,
        )
        for split, p in kept
    ]


def check_rows(dataset: str, made: Preferences) -> None:
    """Fail unless there is something to train on, and every pair holds two different texts."""
    if not any(row.split == "train" for row in made.sft):
        raise DataError(
            f"dataset '{dataset}': no verified completion for any train problem. Fix: see the funnel in "
            f"results/rationales/{dataset}/card.json; use a better teacher or prompt, or, where the choices "
            f"are whole answers, set preferences.strategy.{dataset} to gold_vs_wrong."
        )
    if not any(row.split == "train" for row in made.pairs):
        raise DataError(
            f"dataset '{dataset}': no train problem has both a good and a bad completion, so there is no "
            "pair. Fix: raise the samples or the temperature of its teachers."
        )
    check_pairs(dataset, made.pairs)


def check_order(
    dataset: str,
    pairs: list[Pair],
    problems: dict[str, Problem],
    samples: dict[str, list[Verified]],
    strategy: Strategy,
) -> None:
    """Fail unless, by the samples and gold themselves, chosen is better than rejected in every pair."""
    wrong = [
        pair.row_id
        for pair in pairs
        if not strategy.holds(problems[pair.problem_id], samples[pair.problem_id], pair.chosen, pair.rejected)
    ]
    if wrong:
        raise DataError(
            f"dataset '{dataset}': chosen is not the better text in {len(wrong)} of {len(pairs)} pairs: "
            f"{wrong[:20]}. Fix: mend the strategy that made them."
        )


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
    chosen = PreferenceSettings(**settings)
    strategy = STRATEGIES[chosen.strategy[dataset]]
    problems = {"train": load(train, Problem), "dev": load(dev, Problem)}
    known = {problem.problem_id: problem for rows in problems.values() for problem in rows}
    samples = {key: list[Verified]() for key in known} | by_problem(load(verified, Verified))
    made = rows_from(ask(problems, samples, PromptFile(prompt), strategy, chosen), chosen)
    check_rows(dataset, made)
    check_order(dataset, made.pairs, known, samples, strategy)
    inputs = {"verified": sha256(verified), "prompt": sha256(prompt)}
    write_preferences(made, Outputs(sft, pairs, prompts, card), inputs)
    steps = funnel(len(known), made.asked, strategy.none_good)
    write_card(card, dataset, made, steps, settings, {"ambiguous": sorted(left_out(samples, chosen))})


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
