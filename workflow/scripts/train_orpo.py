"""Train a LoRA adapter by odds-ratio preference optimisation: no reference model, one stage.

Loss: L_SFT + λ L_OR, equation (6) of Hong et al. 2024 (arXiv 2403.07691), with L_OR = -log σ(log odds
ratio), equation (7), here ``losses.orpo_odds_ratio``. Trainer: TRL's (experimental) ORPOTrainer, which calls
λ beta.

Departures: as in the authors' code and TRL's, L_SFT runs over prompt and chosen completion, not the
completion alone, and is a mean over the tokens of the batch, not of each row. TRL's own tokenisation is not
used: it adds a second EOS where a template ends a turn with a line break, and a BOS where the template wants
none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from workflow.lib.logs import capture
from workflow.lib.models import load_tokenizer
from workflow.lib.records import Pair
from workflow.lib.rows import labelled_sides
from workflow.lib.trainers import EvenTokens, LengthGrouped, Schedule, arguments, policy_of, train
from workflow.lib.training import begin, encode, in_ranks

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


@dataclass(frozen=True)
class Settings(Schedule):
    """Settings of ORPO."""

    lambda_: float  # weight of the odds-ratio term


class TokenTrainer(LengthGrouped, EvenTokens, ORPOTrainer):  # type: ignore[misc]
    """TRL's trainer for rows that are tokens already, rendered by ``workflow.lib.chat`` like all others."""

    def tokenize_row(self, feature: Mapping[str, Any], model: object = None) -> dict[str, list[int]]:
        """Return the columns that TRL's collator pads."""
        return labelled_sides(feature)

    def tokens_in(self, batch: Mapping[str, Any]) -> int:
        """Return the tokens that L_SFT predicts: all of prompt and chosen completion but the first."""
        return int(batch["chosen_attention_mask"][:, 1:].sum())

    def weigh_tokens(self, share: float) -> None:
        """Weigh L_SFT."""
        self._share = share

    def concatenated_forward(self, *given: Any) -> tuple[Any, ...]:
        """Return log-probabilities and logits of both sides, and L_SFT, weighed."""
        found = super().concatenated_forward(*given)
        return (*found[:4], found[4] * self._share, *found[5:])


@in_ranks
def main(**given: Any) -> None:
    """Train the adapter; ``given`` are the fields of ``workflow.lib.training.Job``."""
    job, settings = begin(Settings, given)
    tokenizer = load_tokenizer(job.snapshot)
    encoded = encode(job, Pair, ["chosen", "rejected"], tokenizer, settings.max_length)
    model = policy_of(job)
    shared = arguments(job, settings, len(encoded.rows), encoded)
    trainer = TokenTrainer(
        model=model,
        args=ORPOConfig(
            **shared, beta=settings.lambda_, max_length=settings.max_length, remove_unused_columns=False
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
