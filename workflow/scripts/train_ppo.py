"""Train a LoRA adapter by proximal policy optimisation against a sum of rewards: our own PPO.

Losses: the clipped policy loss, equation (7) of Schulman et al. 2017 (arXiv 1707.06347), here
``losses.ppo_policy``, and a clipped value loss (``losses.ppo_value``); advantages by GAE (Schulman et al.
2016, arXiv 1506.02438), ``losses.gae``, whitened over the batch. Reward: the score at the last token minus
β log π/π_ref at every token, equation (2) of InstructGPT (Ouyang et al. 2022, arXiv 2203.02155) without its
pretraining term; β is fixed or follows a target (Ziegler et al. 2019, arXiv 1909.08593).

Departures: policy, reference, rewards and, if asked for, the value are adapters on one base; the value is a
linear head on a last hidden state, not a model of its own. A response that is cut before EOS loses
``missing_eos_penalty``; reward models score it as if closed, since they have seen only closed ones.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from workflow.lib.budgets import pace
from workflow.lib.errors import DataError
from workflow.lib.logs import capture
from workflow.lib.models import context_in, load_base, load_tokenizer
from workflow.lib.ppo import Hyperparameters, Ppo, Team, optimise
from workflow.lib.records import Prompt
from workflow.lib.rewards import Asked, Special, reward_for, special_tokens
from workflow.lib.rollouts import Crew
from workflow.lib.samplers import SAMPLERS
from workflow.lib.training import Job, Outcome, begin, encode, finish, optimising
from workflow.lib.values import VALUES

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


@dataclass(frozen=True)
class Settings(Hyperparameters):
    """Settings of PPO."""

    learns_from: str
    start_from: str
    rewards: list[dict[str, Any]]  # "kind", "weight" and what the kind in ``workflow.lib.rewards`` needs
    held_out: str | None  # reward method that scores every update and is never optimised
    value: str  # key of ``workflow.lib.values.VALUES``


def longest_prompt(base: PreTrainedModel, job: Job, settings: Settings, special: Special) -> int:
    """Return how long a prompt may be, in tokens, so that its closed conversation fits the context."""
    windows = {"transformers": context_in(base.config), "vllm": job.hardware["max_model_len"]}
    context = min(windows["transformers"], windows[job.hardware["rollouts"]])
    room: int = context - settings.max_new_tokens - 1 - len(special.tail)  # EOS is added to what was cut
    if room < 1:
        raise DataError(
            f"methods.{job.method}.max_new_tokens: {settings.max_new_tokens} leave no room for a prompt in a "
            f"context of {context} tokens. Fix: lower it."
        )
    return room


def recruit(
    job: Job, settings: Settings, base: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, special: Special
) -> Team:
    """Return who takes part, all adapters on ``base``."""
    crew = Crew(base, job.lora, job.start, job.seed)
    reward = reward_for(job, crew, tokenizer, special)
    value = VALUES[settings.value](crew, job.lora, job.start, job.seed)
    sampler = SAMPLERS[job.hardware["rollouts"]](crew, job.snapshot, job.lora, job.hardware, job.work)
    if job.hardware["gradient_checkpointing"]:
        crew.recompute_activations()
    return Team(crew, sampler, reward, value, special)


def main(**given: Any) -> None:
    """Train the adapter; ``given`` are the fields of ``workflow.lib.training.Job``."""
    job, settings = begin(Settings, given)
    tokenizer, base = load_tokenizer(job.snapshot), load_base(job.snapshot, job.hardware)
    special = special_tokens(tokenizer)
    encoded = encode(job, Prompt, [], tokenizer, longest_prompt(base, job, settings, special))
    team = recruit(job, settings, base, tokenizer, special)
    ppo = Ppo(team, settings, seed=job.seed, micro=job.micro_batch)
    asked = [Asked(r["prompt_ids"], row) for r, row in zip(encoded.rows, encoded.records, strict=True)]
    if job.shared["trackers"]:
        print(
            "trackers follow TRL's trainers; this one is ours, and its curves are in curves.parquet",
            flush=True,
        )
    with optimising(job) as stop:
        sizes = (settings.batch_size, settings.epochs_per_batch)
        share = pace(job.budget, job.clock, *sizes) if job.budget else None
        history = optimise(ppo, asked, job.work, stop, share)
    outcome = Outcome(
        model=team.crew.model,
        tokenizer=tokenizer,
        history=history,
        steps=len(history) * settings.epochs_per_batch,
        rows=len(encoded.rows),
        dropped=encoded.dropped,
        tokens=round(sum(record["tokens"] for record in history)),
        samples=len(history) * settings.batch_size,
        repeats=settings.epochs_per_batch,
    )
    finish(job, outcome)


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
