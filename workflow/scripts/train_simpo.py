"""Train a LoRA adapter by simple preference optimisation: no reference model, rewards per token.

Loss: -log σ(β/|y⁺| log π(y⁺) - β/|y⁻| log π(y⁻) - γ), equation (6) of Meng et al. 2024 (arXiv 2405.14734),
here ``losses.simpo``. Trainer: TRL's (experimental) CPOTrainer with its loss ``simpo``
and without its NLL term.

Departure: TRL's own tokenisation is not used, for the reasons in ``train_orpo``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from trl.experimental.cpo import CPOConfig, CPOTrainer

from workflow.lib.logs import capture
from workflow.lib.models import load_tokenizer
from workflow.lib.records import Pair
from workflow.lib.rows import labelled_sides
from workflow.lib.trainers import LengthGrouped, Schedule, arguments, policy_of, train
from workflow.lib.training import begin, encode, in_ranks

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


@dataclass(frozen=True)
class Settings(Schedule):
    """Settings of SimPO."""

    beta: float  # scale of the reward, which is β times the mean log-probability per token
    gamma: float  # margin by which the chosen reward should exceed the rejected one


class TokenTrainer(LengthGrouped, CPOTrainer):  # type: ignore[misc]
    """TRL's trainer for rows that are tokens already, rendered by ``workflow.lib.chat`` like all others."""

    def tokenize_row(self, feature: Mapping[str, Any], model: object = None) -> dict[str, list[int]]:
        """Return the columns that TRL's collator pads."""
        return labelled_sides(feature)


@in_ranks
def main(**given: Any) -> None:
    """Train the adapter; ``given`` are the fields of ``workflow.lib.training.Job``."""
    job, settings = begin(Settings, given)
    tokenizer = load_tokenizer(job.snapshot)
    encoded = encode(job, Pair, ["chosen", "rejected"], tokenizer, settings.max_length)
    model = policy_of(job)
    trainer = TokenTrainer(
        model=model,
        args=CPOConfig(
            **arguments(job, settings, len(encoded.rows), encoded),
            loss_type="simpo",
            cpo_alpha=0.0,
            beta=settings.beta,
            simpo_gamma=settings.gamma,
            max_length=settings.max_length,
            remove_unused_columns=False,
        ),
        train_dataset=Dataset.from_list(encoded.rows),
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
