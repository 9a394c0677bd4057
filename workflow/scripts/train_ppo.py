"""Train a LoRA adapter by proximal policy optimisation against the reward model: our own PPO.

Losses: the clipped policy loss, equation (7) of Schulman et al. 2017 (arXiv 1707.06347), here
``losses.ppo_policy``, and a clipped value loss (``losses.ppo_value``); advantages by GAE (Schulman et al.
2016, arXiv 1506.02438), ``losses.gae``, whitened over the batch. Reward: the score at the last token minus
β log π/π_ref at every token, equation (2) of InstructGPT (Ouyang et al. 2022, arXiv 2203.02155) without its
pretraining term.

Departures: policy, reference and reward are adapters on one base, and the value is a linear head on the
policy's last hidden state, not a model of its own. A response that is cut before EOS loses
``missing_eos_penalty``; it is scored as if closed, since the reward model has seen only closed ones.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedTokenizerBase

from workflow.lib.chat import render, token_ids
from workflow.lib.checkpoints import StopSignal
from workflow.lib.logs import capture
from workflow.lib.models import load_base, load_tokenizer
from workflow.lib.ppo import Hyperparameters, Ppo, Special, optimise
from workflow.lib.records import Prompt
from workflow.lib.rollouts import Crew
from workflow.lib.training import Outcome, begin, encode, finish, memory_named, micro_batch_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


@dataclass(frozen=True)
class Settings(Hyperparameters):
    """Settings of PPO."""

    learns_from: str
    start_from: str
    reward: str  # method whose adapter scores


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> Special:
    """Return EOS, the padding, and what the template puts after the EOS that closes an answer."""
    ids = token_ids(tokenizer, render(tokenizer, "Is it so?", "It is."))
    after = len(ids) - ids[::-1].index(tokenizer.eos_token_id)
    return Special(tokenizer.eos_token_id, tokenizer.pad_token_id, ids[after:])


def main(**given: Any) -> None:
    """Train the adapter; ``given`` are the fields of ``workflow.lib.training.Job``."""
    job, settings = begin(Settings, given)
    tokenizer, base = load_tokenizer(job.snapshot), load_base(job.snapshot, job.hardware)
    longest = base.config.max_position_embeddings - settings.max_new_tokens
    encoded = encode(job, Prompt, [], tokenizer, longest)
    crew = Crew(base, job.lora, job.start, job.reward, job.seed)
    micro = micro_batch_of(settings.batch_size, job.hardware["micro_batch"])
    ppo = Ppo(crew, settings, special_tokens(tokenizer), seed=job.seed, micro=micro)
    if job.hardware["gradient_checkpointing"]:
        crew.recompute_activations()
    with StopSignal() as stop, job.meter.training(), memory_named(job):
        history = optimise(ppo, [row["prompt_ids"] for row in encoded.rows], job.work, stop)
    outcome = Outcome(
        model=crew.model,
        tokenizer=tokenizer,
        history=history,
        steps=settings.updates * settings.epochs_per_batch,
        rows=len(encoded.rows),
        dropped=encoded.dropped,
        tokens=round(sum(record["tokens"] for record in history)),
        samples=settings.updates * settings.batch_size,
    )
    finish(job, outcome)


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
