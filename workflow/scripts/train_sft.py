"""Train a LoRA adapter to imitate completions: supervised fine-tuning.

Loss: mean negative log-likelihood of the completion's tokens given the prompt (``losses.nll``), over all
tokens of the batch, EOS included; the prompt is not trained. Trainer: TRL's SFTTrainer.
"""

from typing import TYPE_CHECKING, Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from workflow.lib.adapters import attach
from workflow.lib.logs import capture
from workflow.lib.models import load_base, load_tokenizer
from workflow.lib.records import SftRow
from workflow.lib.trainers import IGNORED, Schedule, arguments, train
from workflow.lib.training import Encoded, begin, encode

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


class Settings(Schedule):
    """Settings of SFT: those that all methods on fixed rows have."""


def labelled(encoded: Encoded) -> Dataset:
    """Return the rows as TRL takes them ready-made: all tokens, and labels on the completion only."""
    return Dataset.from_list(
        [
            {
                "input_ids": row["prompt_ids"] + row["completion_ids"],
                "labels": [IGNORED] * len(row["prompt_ids"]) + row["completion_ids"],
            }
            for row in encoded.rows
        ]
    )


def main(**given: Any) -> None:
    """Train the adapter; ``given`` are the fields of ``workflow.lib.training.Job``."""
    job, settings = begin(Settings, given)
    tokenizer = load_tokenizer(job.snapshot)
    encoded = encode(job, SftRow, ["completion"], tokenizer, settings.max_length)
    model = attach(
        load_base(job.snapshot, job.hardware), job.lora, job.start, task="CAUSAL_LM", seed=job.seed
    )
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(**arguments(job, settings, len(encoded.rows)), max_length=None),
        train_dataset=labelled(encoded),
        processing_class=tokenizer,
    )
    train(job, trainer, encoded, settings)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        rows=snakemake.input.rows,
        start=snakemake.input.start,
        reward=snakemake.input.reward,
        manifest=snakemake.input.manifest,
        snapshot=snakemake.input.snapshot,
        outputs=dict(snakemake.output.items()),
        settings=snakemake.params.settings,
        lora=snakemake.params.lora,
        hardware=snakemake.params.hardware,
        dataset=snakemake.wildcards.dataset,
        model=snakemake.wildcards.model,
        method=snakemake.wildcards.method,
        seed=int(snakemake.wildcards.seed),
        threads=snakemake.threads,
    )
