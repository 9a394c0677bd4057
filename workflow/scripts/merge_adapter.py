"""Merge one adapter into its base: a plain model that needs no PEFT, checked against base and adapter.

The weights are added up, W + α/r B A (Hu et al. 2021, arXiv 2106.09685, section 4.1), in the study's
precision, never in 4 bits. What was written is loaded again, and its logits compared with those of the two.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.cards import merged_card
from workflow.lib.chat import render, token_ids
from workflow.lib.files import read_json, sha256, write_text
from workflow.lib.logs import capture
from workflow.lib.merging import PROBES, merge_into
from workflow.lib.models import load_tokenizer

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(
    *,
    adapter: str,
    run: str,
    manifest: str,
    snapshot: str,
    merged: str,
    model: str,
    hardware: Mapping[str, Any],
) -> None:
    """Write the merged model, its tokenizer and its card.

    Args:
        adapter: Weights of the adapter, its settings beside them.
        run: Facts of its training.
        manifest: Of the base model.
        snapshot: Folder of the base model.
        merged: Folder to write.
        model: Name of the base model.
        hardware: The config's hardware section.
    """
    tokenizer, folder = load_tokenizer(snapshot), Path(merged)
    probes = [token_ids(tokenizer, render(tokenizer, text)) for text in PROBES]
    whole = {**hardware, "quantisation": "none"}
    change = merge_into(snapshot, Path(adapter).parent, folder, model=model, hardware=whole, probes=probes)
    tokenizer.save_pretrained(folder, save_jinja_files=False)
    facts = {"adapter": sha256(adapter), "largest change of a logit": f"{change:.1e}"}
    write_text(folder / "README.md", merged_card(read_json(run), read_json(manifest), facts))
    print(f"merged: the largest change of a logit is {change:.1e} of the largest logit")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        adapter=snakemake.input.adapter,
        run=snakemake.input.run,
        manifest=snakemake.input.manifest,
        snapshot=snakemake.input.snapshot,
        merged=snakemake.output.merged,
        model=snakemake.wildcards.model,
        hardware=snakemake.params.hardware,
    )
