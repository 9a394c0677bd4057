"""Train a LoRA adapter with a scalar head to score completions: a reward model from preference pairs.

Loss: Bradley–Terry, -log σ(r(chosen) - r(rejected)), equation (1) of InstructGPT (Ouyang et al. 2022,
arXiv 2203.02155), here ``losses.bradley_terry``. Trainer: TRL's RewardTrainer. The score is read at the last
token of the rendered conversation, so whoever scores with this adapter must render to exactly the same end.

Departures: one pair per prompt and term, not all K(K-1)/2 of a ranking; the head is saved with the adapter.
"""

from typing import TYPE_CHECKING, Any

from datasets import Dataset
from trl import RewardConfig, RewardTrainer

from workflow.lib.adapters import attach
from workflow.lib.logs import capture
from workflow.lib.models import load_scorer, load_tokenizer
from workflow.lib.records import Pair
from workflow.lib.trainers import Schedule, arguments, train
from workflow.lib.training import Encoded, begin, encode

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


class Settings(Schedule):
    """Settings of the reward model: those that all methods on fixed rows have."""


def conversations(encoded: Encoded) -> Dataset:
    """Return the rows as TRL takes them ready-made: prompt and completion in one sequence."""
    return Dataset.from_list(
        [
            {f"{side}_ids": row["prompt_ids"] + row[f"{side}_ids"] for side in ("chosen", "rejected")}
            for row in encoded.rows
        ]
    )


def main(**given: Any) -> None:
    """Train the adapter; ``given`` are the fields of ``workflow.lib.training.Job``."""
    job, settings = begin(Settings, given)
    tokenizer = load_tokenizer(job.snapshot)
    encoded = encode(job, Pair, ["chosen", "rejected"], tokenizer, settings.max_length)
    scorer = load_scorer(job.snapshot, job.hardware, pad=tokenizer.pad_token_id, seed=job.seed)
    trainer = RewardTrainer(
        model=attach(scorer, job.lora, job.start, task="SEQ_CLS", seed=job.seed),
        args=RewardConfig(**arguments(job, settings, len(encoded.rows)), max_length=None),
        train_dataset=conversations(encoded),
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
