"""Train a LoRA adapter by group relative policy optimisation: answers held against others to the same prompt.

Loss of a token, equation (3) of Shao et al. 2024 (arXiv 2402.03300): -min(ρA, clip(ρ, 1 ± ε)A) + β D, here
``losses.ppo_policy`` and ``losses.kl_k3``; ρ = π/π_old, D the divergence from the reference. By ``loss``:

- ``grpo``: A is the reward less the group's mean, by the group's standard deviation, and the loss is the mean
  over answers of the mean over their tokens (``losses.group_advantages``, ``losses.mean_of_answers``);
- ``dr_grpo``: A is not divided, and the sum over tokens is divided by a constant, so that neither easy
  prompts nor short answers weigh more: Liu et al. 2025 (arXiv 2503.20783), ``losses.mean_of_budget``.

Rewards are those of PPO, for whole answers. Trainer: TRL's GRPOTrainer. The reference is the adapter that the
training starts from, frozen, or the bare base.

Departures: the standard deviation is that of a sample, plus 10⁻⁴, as in TRL. An answer that is cut before EOS
loses ``missing_eos_penalty``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trl import GRPOConfig, GRPOTrainer

from workflow.lib.groups import Grouped, GroupTrainer, assemble, group_arguments, train_groups
from workflow.lib.logs import capture
from workflow.lib.training import begin

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

LOSSES = {
    "grpo": {"loss_type": "grpo", "scale_rewards": "group"},
    "dr_grpo": {"loss_type": "dr_grpo", "scale_rewards": "none"},
}


@dataclass(frozen=True)
class Settings(Grouped):
    """Settings of GRPO."""

    loss: str  # key of ``LOSSES``


class TokenTrainer(GroupTrainer, GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer under our rules."""


def main(**given: Any) -> None:
    """Train the adapter; ``given`` are the fields of ``workflow.lib.training.Job``."""
    job, settings = begin(Settings, given)
    parts = assemble(job, settings)
    trainer = TokenTrainer(
        model=parts.crew.model,
        reward_funcs=parts.reward,
        args=GRPOConfig(
            **group_arguments(job, settings, parts),
            **LOSSES[settings.loss],
            use_bias_correction_kl=False,  # TRL's default weighs the divergence by the ratio: not the paper's
        ),
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
