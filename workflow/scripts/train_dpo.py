"""Train a LoRA adapter by direct preference optimisation.

Loss: -log σ(β [log π/π_ref (chosen) - log π/π_ref (rejected)]), equation (7) of Rafailov et al. 2023
(arXiv 2305.18290), here ``losses.dpo_sigmoid``; plus ``nll_weight`` times the negative log-likelihood of the
chosen completion (``losses.nll``), after Iterative RPO (Pang et al. 2024, arXiv 2404.19733). Trainer: TRL's
DPOTrainer. The reference is the adapter that the training starts from, frozen, or the bare base: never a
second base.

Departures: Iterative RPO divides each completion's likelihood by its own length; TRL divides the sum over
the batch by its number of tokens. Pairs that share a long prefix lose likelihood on both sides under the
plain loss (``nll_weight: 0.0``), and the policy may fall apart while its margin looks perfect.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from workflow.lib.adapters import attach
from workflow.lib.logs import capture
from workflow.lib.models import load_base, load_tokenizer
from workflow.lib.records import Pair
from workflow.lib.trainers import Schedule, arguments, train
from workflow.lib.training import begin, encode

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

REFERENCE = "ref"  # TRL's name for the frozen copy of the adapter that training starts from


@dataclass(frozen=True)
class Settings(Schedule):
    """Settings of DPO."""

    beta: float  # strength of the pull towards the reference
    nll_weight: float  # weight of the negative log-likelihood of the chosen completion; 0 for plain DPO


class TokenTrainer(DPOTrainer):  # type: ignore[misc]
    """TRL's trainer for rows that are tokens already, rendered by ``workflow.lib.chat`` like all others."""

    def _prepare_dataset(self, dataset: Dataset, *rest: Any) -> Dataset:
        return dataset


def loss_terms(settings: Settings) -> dict[str, list[Any]]:
    """Return TRL's names and weights for the terms of the loss."""
    if settings.nll_weight == 0.0:
        return {"loss_type": ["sigmoid"], "loss_weights": [1.0]}
    return {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, settings.nll_weight]}


def main(**given: Any) -> None:
    """Train the adapter; ``given`` are the fields of ``workflow.lib.training.Job``."""
    job, settings = begin(Settings, given)
    tokenizer = load_tokenizer(job.snapshot)
    encoded = encode(job, Pair, ["chosen", "rejected"], tokenizer, settings.max_length)
    model = attach(
        load_base(job.snapshot, job.hardware), job.lora, job.start, task="CAUSAL_LM", seed=job.seed
    )
    shared = arguments(job, settings, len(encoded.rows))
    trainer = TokenTrainer(
        model=model,
        args=DPOConfig(**shared, **loss_terms(settings), beta=settings.beta, max_length=None),
        train_dataset=Dataset.from_list(encoded.rows),
        processing_class=tokenizer,
    )
    if not job.start:
        model.delete_adapter(REFERENCE)  # a copy of a new adapter is the base: TRL then switches adapters off
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
