"""Train a LoRA adapter by REINFORCE leave-one-out: the other answers to a prompt are the baseline of each.

Advantage: R less the mean of the other answers' R, section 2.3 of Ahmadian et al. 2024 (arXiv 2402.14740),
here ``losses.leave_one_out``; R is the reward less β log π/π_ref of the whole answer (``losses.kl_k1``). Loss
of an answer: ``losses.ppo_policy`` of its whole log-probability, whose gradient is REINFORCE's in the first
step on a batch. Rewards are those of PPO. Trainer: TRL's RLOOTrainer. The reference is that of GRPO.

Departures: with ``epochs_per_batch`` above 1 the ratio is clipped, as in TRL; the paper has one step per
batch. An answer that is cut before EOS loses ``missing_eos_penalty``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trl import RLOOConfig, RLOOTrainer

from workflow.lib.groups import Grouped, GroupTrainer, assemble, group_arguments, train_groups
from workflow.lib.logs import capture
from workflow.lib.training import begin

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


@dataclass(frozen=True)
class Settings(Grouped):
    """Settings of RLOO."""


class TokenTrainer(GroupTrainer, RLOOTrainer):  # type: ignore[misc]
    """TRL's trainer under our rules."""


def main(**given: Any) -> None:
    """Train the adapter; ``given`` are the fields of ``workflow.lib.training.Job``."""
    job, settings = begin(Settings, given)
    parts = assemble(job, settings)
    trainer = TokenTrainer(
        model=parts.crew.model,
        reward_funcs=parts.reward,
        args=RLOOConfig(**group_arguments(job, settings, parts), normalize_advantages=False),
        train_dataset=parts.prompts,
        processing_class=parts.tokenizer,
    )
    train_groups(job, trainer, settings, parts.encoded)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        rows=snakemake.input.rows,
        start=snakemake.input.start,
        reward=snakemake.input.reward,
        choice=snakemake.input.choice,
        judges=snakemake.input.judges,
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
