"""Take prompts from texts: a passage's first tokens are the prompt, the rest of it the completion to imitate.

There is nothing to prefer, so the file of pairs has no rows.
"""

from typing import TYPE_CHECKING, Any

from workflow.lib.errors import DataError
from workflow.lib.files import sha256
from workflow.lib.given import ask_passages
from workflow.lib.logs import capture
from workflow.lib.pairing import cuts, step
from workflow.lib.preferences import Outputs, PreferenceSettings, rows_from, write_card, write_preferences
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Passage, load

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
    """Write the SFT rows, the prompts, no pairs, and the card of one dataset."""
    chosen, render = PreferenceSettings(**settings), PromptFile(prompt).render
    passages = {"train": load(train, Passage), "dev": load(dev, Passage)}
    asked = [a for split, rows in passages.items() for a in ask_passages(rows, split, render, chosen.choice)]
    if not any(a.split == "train" for a in asked):
        raise DataError(
            f"dataset '{dataset}': train has no passage. Fix: see results/data/{dataset}/card.json."
        )
    made = rows_from(asked, chosen)
    inputs = {"train": sha256(train), "dev": sha256(dev), "prompt": sha256(prompt)}
    write_preferences(made, Outputs(sft, pairs, prompts, card), inputs)
    longer = step(
        "passages that go on after a word",
        len(asked),
        sum(a.good for a in asked),
        "nothing follows, or the prompt ends within a word",
    )
    write_card(card, dataset, made, [longer, *cuts(made.asked)[0]], settings, {})


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
