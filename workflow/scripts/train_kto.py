"""Train a LoRA adapter on single completions that are good or bad: Kahneman–Tversky optimisation.

Loss: λ (1 - σ(±β [log π/π_ref - z])), + for a desirable completion and - for an undesirable one, equation (7)
of Ethayarajh et al. 2024 (arXiv 2402.01306), here ``losses.kto``; z, here ``losses.kto_divergence``, is the
divergence from the reference as completions of other prompts show it, at least 0 and without gradient.
Trainer: TRL's KTOTrainer. The reference is that of DPO.

Rows: every distinct completion of the pairs once, desirable if it was chosen; one that was both chosen and
rejected is left out and counted.

Departures: z is one number per optimizer step, over the global batch; in the authors' code and in TRL it is
one per micro-batch, so that the loss depends on the hardware. TRL needs a fixed order of rows: it is drawn
once by the seed, the same in every epoch.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from trl import KTOConfig, KTOTrainer

from workflow.lib.anchors import set_reference
from workflow.lib.logs import capture
from workflow.lib.losses import kto_divergence
from workflow.lib.models import load_tokenizer
from workflow.lib.records import Pair
from workflow.lib.rows import mismatched, unpaired
from workflow.lib.trainers import Schedule, arguments, policy_of, train
from workflow.lib.training import Encoded, begin, encode, in_ranks

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

LOGPS = ("ref_logps", "ref_KL_logps")  # TRL's columns for what the reference thinks
LEAST = 2  # rows per forward pass: TRL takes no fewer


@dataclass(frozen=True)
class Settings(Schedule):
    """Settings of KTO."""

    beta: float  # strength of the pull towards the reference
    desirable_weight: float  # λ of good completions
    undesirable_weight: float  # λ of bad ones


class TokenTrainer(KTOTrainer):  # type: ignore[misc]
    """TRL's trainer for rows that are tokens already, with one divergence per optimizer step."""

    def __init__(self, **given: Any) -> None:
        """Build TRL's trainer; the reference's numbers then come with each batch."""
        super().__init__(**given)
        self.precompute_ref_logps = True

    def _prepare_dataset(self, dataset: Dataset, *rest: Any) -> Dataset:
        return dataset

    def get_batch_samples(self, *given: Any) -> Any:
        """Return the micro-batches of a step, each with the reference's numbers and z of all of them."""
        batches, items = super().get_batch_samples(*given)
        policy, reference = [], []
        for batch in batches:
            batch["ref_logps"], other = self._reference(batch)
            policy.append(super()._compute_kl_logps(self.model, batch))
            reference.append(other)
        every = [self.accelerator.gather(torch.cat(part)) for part in (policy, reference)]
        divergence = kto_divergence(*every)
        for batch in batches:
            batch["ref_KL_logps"] = torch.zeros_like(batch["ref_logps"])
            batch["KL_logps"] = divergence.expand_as(batch["ref_logps"])
        return batches, items

    def _reference(self, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the reference's numbers: stored with the rows, or live."""
        if set(LOGPS) <= batch.keys():
            return batch["ref_logps"], batch["ref_KL_logps"]
        logps, others = self.compute_ref_log_probs(self.model, batch)
        return logps, others

    def _compute_kl_logps(self, model: object, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return batch.pop("KL_logps")


def single(encoded: Encoded, seed: int, longest: int) -> Encoded:
    """Return the rows of pairs as single completions in the order of training."""
    rows, counts = unpaired(encoded.rows)
    print(f"completions: {counts}", flush=True)
    tokens = sum(len(row["prompt_ids"]) + len(row["completion_ids"]) for row in rows)
    order = mismatched(rows, seed, longest)
    return replace(encoded, rows=order, records=[], tokens=tokens, counts=counts)


@in_ranks
def main(**given: Any) -> None:
    """Train the adapter; ``given`` are the fields of ``workflow.lib.training.Job``."""
    job, settings = begin(Settings, given)
    job = replace(job, hardware={**job.hardware, "micro_batch": max(LEAST, job.hardware["micro_batch"])})
    tokenizer = load_tokenizer(job.snapshot)
    pairs = encode(job, Pair, ["chosen", "rejected"], tokenizer, settings.max_length)
    encoded = single(pairs, job.seed, settings.max_length)
    model = policy_of(job)
    trainer = TokenTrainer(
        model=model,
        args=KTOConfig(
            **arguments(job, settings, len(encoded.rows), encoded),
            beta=settings.beta,
            desirable_weight=settings.desirable_weight,
            undesirable_weight=settings.undesirable_weight,
            max_length=None,
        ),
        train_dataset=Dataset.from_list(encoded.rows),
        processing_class=tokenizer,
    )
    set_reference(job, trainer, LOGPS)
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
