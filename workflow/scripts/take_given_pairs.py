"""Take the pairs that a dataset brings along: no teacher is asked, people have voted already.

Chosen answers are the completions to imitate, and the questions are the prompts.
"""

from typing import TYPE_CHECKING, Any

from workflow.lib.errors import DataError
from workflow.lib.files import sha256
from workflow.lib.given import ask_pairs, pair_steps, teaches_nothing
from workflow.lib.logs import capture
from workflow.lib.pairing import cuts
from workflow.lib.preferences import (
    Outputs,
    PreferenceSettings,
    rows_from,
    write_card,
    write_preferences,
)
from workflow.lib.prompts import PromptFile
from workflow.lib.records import GivenPair, load

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(
    *,
    train: str,
    dev: str,
    prompt: str,
    sft: str,
    pairs: str,
    prompts: str,
    card: str,
    dataset: str,
    settings: dict[str, Any],
) -> None:
    """Write the SFT rows, the pairs, the prompts and the card of one dataset."""
    chosen, render = PreferenceSettings(**settings), PromptFile(prompt).render
    given = {"train": load(train, GivenPair), "dev": load(dev, GivenPair)}
    asked = [a for split, rows in given.items() for a in ask_pairs(rows, split, render, chosen.choice)]
    made = rows_from(asked, chosen)
    if not any(row.split == "train" for row in made.pairs):
        raise DataError(
            f"dataset '{dataset}': no pair in train teaches which answer is better. Fix: see its files."
        )
    every = [pair for rows in given.values() for pair in rows]
    left_out = teaches_nothing(every)
    inputs = {"train": sha256(train), "dev": sha256(dev), "prompt": sha256(prompt)}
    write_preferences(made, Outputs(sft, pairs, prompts, card), inputs)
    to_sft, to_pairs = cuts(made.asked)
    steps = [*pair_steps(len(every), left_out), *to_sft, *to_pairs]
    write_card(card, dataset, made, steps, settings, left_out)
    print({reason: keys[:20] for reason, keys in left_out.items()})


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        train=snakemake.input.train,
        dev=snakemake.input.dev,
        prompt=snakemake.input.prompt,
        sft=snakemake.output.sft,
        pairs=snakemake.output.pairs,
        prompts=snakemake.output.prompts,
        card=snakemake.output.card,
        dataset=snakemake.wildcards.dataset,
        settings=snakemake.params.settings,
    )
