"""Train a LoRA adapter by direct preference optimisation.

Loss, by ``loss`` and ``label_smoothing`` ε:

- ``sigmoid``: -log σ(β [log π/π_ref (chosen) - log π/π_ref (rejected)]), equation (7) of Rafailov et al. 2023
  (arXiv 2305.18290), ``losses.dpo_sigmoid``; with ε > 0 the mean over labels of which a share ε is wrong
  (cDPO, Mitchell 2023), ``losses.dpo_conservative``;
- ``robust``: the loss whose mean over wrong labels is the clean one (Chowdhury et al. 2024, arXiv
  2403.00409), ``losses.dpo_robust``;
- ``ipo``: a square instead of the sigmoid, so that a pair stops counting at the margin 1/(2β), equation (17)
  of Azar et al. 2023 (arXiv 2310.12036), ``losses.dpo_ipo``;

plus ``nll_weight`` times the negative log-likelihood of the chosen completion (``losses.nll``), after
Iterative RPO (Pang et al. 2024, arXiv 2404.19733). Trainer: TRL's DPOTrainer. The reference is the
adapter that the training starts from, frozen, or the bare base: never a second base.

Departures: Iterative RPO divides each completion's likelihood by its own length; here, as in TRL, the sum
over the batch is divided by its number of tokens. IPO's log-ratios are means over tokens, not sums. Pairs
that share a long prefix lose likelihood on both sides under the plain loss (``nll_weight: 0.0``), and the
policy may fall apart while its margin looks perfect.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from workflow.lib.anchors import set_reference
from workflow.lib.logs import capture
from workflow.lib.models import load_tokenizer
from workflow.lib.records import Pair
from workflow.lib.trainers import EvenTokens, LengthGrouped, Schedule, arguments, policy_of, train
from workflow.lib.training import begin, encode, in_ranks

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

NLL = "sft"  # TRL's name for the negative log-likelihood of the chosen completions
LOGPS = ("ref_chosen_logps", "ref_rejected_logps")  # TRL's columns for what the reference thinks


@dataclass(frozen=True)
class Settings(Schedule):
    """Settings of DPO."""

    loss: str  # TRL's loss_type: sigmoid, robust or ipo
    label_smoothing: float  # share of pairs whose label is thought to be wrong, 0 to 0.5
    beta: float  # strength of the pull towards the reference; τ of IPO
    nll_weight: float  # weight of the negative log-likelihood of the chosen completion; 0 for plain DPO


class TokenTrainer(LengthGrouped, EvenTokens, DPOTrainer):  # type: ignore[misc]
    """TRL's trainer for rows that are tokens already, rendered by ``workflow.lib.chat`` like all others."""

    def _prepare_dataset(self, dataset: Dataset, *rest: Any) -> Dataset:
        return dataset

    def tokens_in(self, batch: Mapping[str, Any]) -> int:
        """Return the tokens of the chosen completions, which come before the rejected ones."""
        chosen, _ = batch["completion_mask"].chunk(2)
        return int(chosen.sum())

    def weigh_tokens(self, share: float) -> None:
        """Weigh the term over tokens, which TRL calls sft; the others are means over pairs."""
        terms = zip(self.loss_types, self.args.loss_weights, strict=True)
        self.loss_weights = [weight * share if name == NLL else weight for name, weight in terms]


def loss_terms(settings: Settings) -> dict[str, Any]:
    """Return TRL's names and weights for the terms of the loss.

    TRL has no cDPO, but it has both of its parts: with S the loss of the label, F that of the other one and
    R = [(1 - ε) S - ε F] / (1 - 2ε) its robust loss, (1 - ε) S + ε F = 2 (1 - ε) S - (1 - 2ε) R.
    """
    noise = settings.label_smoothing
    terms = {settings.loss: 1.0}
    if settings.loss == "sigmoid" and noise > 0.0:
        terms = {"sigmoid": 2.0 * (1.0 - noise), "robust": 2.0 * noise - 1.0}
    if settings.nll_weight > 0.0:
        terms[NLL] = settings.nll_weight
    return {"loss_type": list(terms), "loss_weights": list(terms.values()), "label_smoothing": noise}


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
        args=DPOConfig(**shared, **loss_terms(settings), beta=settings.beta, max_length=None),
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
