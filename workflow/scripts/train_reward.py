"""Train a LoRA adapter with a scalar head to score completions: a reward model from preference pairs.

Loss: Bradley–Terry, -log σ(r(chosen) - r(rejected) - m), equation (1) of InstructGPT (Ouyang et al. 2022,
arXiv 2203.02155), here ``losses.bradley_terry``, with m = 0 or, if ``margin``, the margin of the pair, as in
equation (2) of Llama 2 (Touvron et al. 2023, arXiv 2307.09288); plus ``centring`` times the mean of
(r(chosen) + r(rejected))², equation (2) of Eisenstein et al. 2023 (arXiv 2312.09244), here
``losses.centring``. Trainer: TRL's RewardTrainer. The score is read at the last token of the rendered
conversation, so whoever scores with this adapter must render to exactly the same end.

Departures: one pair per prompt and term, not all K(K-1)/2 of a ranking; the head is saved with the adapter;
a margin is what ``preferences.margin`` says, not a rating by people.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from trl import RewardConfig, RewardTrainer

from workflow.lib.adapters import attach
from workflow.lib.errors import DataError
from workflow.lib.logs import capture
from workflow.lib.models import load_scorer, load_tokenizer
from workflow.lib.records import Pair
from workflow.lib.trainers import LengthGrouped, Schedule, arguments, train
from workflow.lib.training import Encoded, begin, encode, in_ranks

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


@dataclass(frozen=True)
class Settings(Schedule):
    """Settings of the reward model."""

    margin: bool  # whether a pair's margin must lie between its scores
    centring: float  # weight of what keeps scores around 0; 0 leaves it out


class LengthTrainer(LengthGrouped, RewardTrainer):  # type: ignore[misc]
    """TRL's trainer with less padding."""


def conversations(encoded: Encoded, margin: bool) -> Dataset:
    """Return the rows as TRL takes them ready-made: each side as one sequence, and the margin if it counts.

    Raises:
        DataError: The margin counts, and a pair has none.
    """
    rows: list[dict[str, Any]] = [
        {f"{side}_ids": row["prompt_ids"] + row[f"{side}_ids"] for side in ("chosen", "rejected")}
        for row in encoded.rows
    ]
    if margin:
        without = [pair.row_id for pair in encoded.records if pair.margin is None]
        if without:
            raise DataError(
                f"{len(without)} of {len(rows)} pairs have no margin, as row {without[0]}. "
                "Fix: choose another preferences.margin, or set the method's margin to false."
            )
        rows = [{**row, "margin": pair.margin} for row, pair in zip(rows, encoded.records, strict=True)]
    return Dataset.from_list(rows)


@in_ranks
def main(**given: Any) -> None:
    """Train the adapter; ``given`` are the fields of ``workflow.lib.training.Job``."""
    job, settings = begin(Settings, given)
    tokenizer = load_tokenizer(job.snapshot)
    encoded = encode(job, Pair, ["chosen", "rejected"], tokenizer, settings.max_length)
    scorer = load_scorer(job.snapshot, job.hardware, pad=tokenizer.pad_token_id, seed=job.seed)
    trainer = LengthTrainer(
        model=attach(scorer, job.lora, job.start, task="SEQ_CLS", seed=job.seed),
        args=RewardConfig(
            **arguments(job, settings, len(encoded.rows), encoded),
            center_rewards_coefficient=settings.centring or None,
            max_length=None,
        ),
        train_dataset=conversations(encoded, settings.margin),
        processing_class=tokenizer,
    )
    train(job, trainer, encoded, settings)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        rows=snakemake.input.rows,
        start=snakemake.input.start,
        reward=snakemake.input.reward,
        choice=snakemake.input.choice,
        manifest=snakemake.input.manifest,
        snapshot=snakemake.input.snapshot,
        outputs=dict(snakemake.output.items()),
        settings=snakemake.params.settings,
        lora=snakemake.params.lora,
        hardware=snakemake.params.hardware,
        shared=snakemake.params.shared,
        dataset=snakemake.wildcards.dataset,
        model=snakemake.wildcards.model,
        method=snakemake.wildcards.method,
        seed=int(snakemake.wildcards.seed),
        threads=snakemake.threads,
    )
