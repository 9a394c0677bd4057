"""Groups of answers to one prompt: what TRL's trainers for GRPO and RLOO share here.

``epochs_per_batch`` steps learn from ``batch_size`` sampled answers, ``group_size`` to each prompt, and every
answer is held against the others of its group. Prompts, rewards and the adapters on one base are those of
PPO. A checkpoint also holds the answers that are still to be learnt from.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

from workflow.lib.anchors import COPY
from workflow.lib.chat import render, token_ids
from workflow.lib.errors import DataError, NumericalError
from workflow.lib.health import repetition
from workflow.lib.models import load_base, load_tokenizer
from workflow.lib.ppo import picked
from workflow.lib.records import Prompt
from workflow.lib.rewards import Asked, Episode, Reward, Special, reward_for, special_tokens
from workflow.lib.rollouts import REFERENCE, Crew
from workflow.lib.trainers import Schedule, arguments, complete
from workflow.lib.training import Encoded, Job, Outcome, encode, finish

ANSWERS = "answers.pt"  # read with weights_only: tensors and plain values
RewardFunction = Callable[..., list[float]]  # TRL's form: keyword arguments → one number per answer


@dataclass(frozen=True)
class Grouped(Schedule):
    """Settings that the methods on groups of answers share; ``batch_size`` counts answers."""

    rewards: list[dict[str, Any]]  # "kind", "weight" and what the kind in ``workflow.lib.rewards`` needs
    held_out: str | None  # reward method that scores every batch and is never optimised
    group_size: int  # answers to one prompt
    epochs_per_batch: int  # optimizer steps per batch of answers
    max_new_tokens: int
    temperature: float
    beta: float  # strength of the pull towards the reference
    clip_range: float
    missing_eos_penalty: float  # reward lost by an answer that was cut

    @property
    def fresh(self) -> int:
        """Return the answers of a batch by the steps that learn from it."""
        return self.batch_size // self.epochs_per_batch


@dataclass(frozen=True)
class Parts:
    """What a trainer is made from."""

    crew: Crew  # the base with the policy, and the adapters that score
    tokenizer: PreTrainedTokenizerBase
    encoded: Encoded  # the prompts
    reward: RewardFunction

    @property
    def prompts(self) -> Dataset:
        """Return the rows as TRL takes them, with their number."""
        texts = [render(self.tokenizer, record.prompt) for record in self.encoded.records]
        return Dataset.from_dict({"prompt": texts, "row": list(range(len(texts)))})


def assemble(job: Job, settings: Grouped) -> Parts:
    """Return the parts of a job, all of its adapters on one base."""
    tokenizer = load_tokenizer(job.snapshot)
    room = settings.max_length - settings.max_new_tokens
    if room < 1:
        raise DataError(
            f"methods.{job.method}.max_new_tokens: {settings.max_new_tokens} leave no room for a prompt in "
            f"{settings.max_length} tokens. Fix: lower it, or raise 'max_length'."
        )
    encoded = encode(job, Prompt, [], tokenizer, room)
    base = load_base(job.snapshot, job.hardware)
    crew, special = Crew(base, job.lora, job.start, job.seed), special_tokens(tokenizer)
    if job.start:
        crew.model.delete_adapter(REFERENCE)  # TRL makes a copy of its own
    reward = reward_for(job, crew, tokenizer, special)
    count_seen(base)
    asked = [Asked(r["prompt_ids"], row) for r, row in zip(encoded.rows, encoded.records, strict=True)]
    function = reward_function(reward, asked, special, settings.missing_eos_penalty, job.micro_batch)
    return Parts(crew, tokenizer, encoded, function)


def reward_function(
    reward: Reward, asked: Sequence[Asked], special: Special, penalty: float, micro: int
) -> RewardFunction:
    """Return ``reward`` in TRL's form.

    Args:
        reward: Of the settings.
        asked: All prompts, by the number that the trainer's rows have.
        special: Its EOS ends an answer.
        penalty: Taken from an answer without an end.
        micro: Answers scored at once.
    """

    def total(
        *, completion_ids: list[list[int]], row: list[int], log_metric: Callable[[str, float], None], **_: Any
    ) -> list[float]:
        episodes = [Episode(asked[i], ids) for i, ids in zip(row, completion_ids, strict=True)]
        parts = [reward.scores(episodes[i : i + micro]) for i in range(0, len(episodes), micro)]
        scores = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        for name, of_each in scores.items():
            log_metric(name, float(of_each.mean()))
        log_metric("repetition", repetition(completion_ids))
        ended = torch.tensor([ids[-1] == special.eos for ids in completion_ids])
        totals: list[float] = (scores["score"] - penalty * (~ended).float()).tolist()
        return totals

    return total


def count_seen(base: PreTrainedModel) -> None:
    """Let positions count the tokens that are seen: TRL's passes over rows padded to the left name none."""

    def name_positions(_: object, given: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        seen, ids = (options.get(name) for name in ("attention_mask", "input_ids"))
        named = options.get("position_ids") is not None
        if seen is not None and ids is not None and not named and seen.shape == ids.shape:
            options["position_ids"] = (seen.cumsum(-1) - 1).clamp(min=0)
        return given, options

    base.register_forward_pre_hook(name_positions, with_kwargs=True)


class Turns(Sampler[int]):
    """The rows of a whole training: every prompt once per pass, each pass in an order of its own.

    TRL's sampler leaves out the prompts that fill no batch, and draws the first order again on resuming.
    """

    def __init__(self, prompts: int, batch: int, group: int, repeats: int, batches: int, seed: int) -> None:
        """Take ``batch`` of ``prompts`` at a time, each ``group`` times, and a batch ``repeats`` times."""
        self._prompts, self._batch, self._group = prompts, batch, group
        self._repeats, self._batches, self._seed = repeats, batches, seed

    def __iter__(self) -> Iterator[int]:
        """Yield the number of a row for each answer."""
        for turn in range(self._batches):
            rows = picked(self._prompts, self._batch, turn, self._seed)
            for _ in range(self._repeats):
                yield from (row for row in rows for _ in range(self._group))

    def __len__(self) -> int:
        """Return how many there are."""
        return self._batch * self._group * self._repeats * self._batches


class GroupTrainer(Trainer):  # type: ignore[misc]
    """TRL's trainer for prompts that are rendered already, which goes on in the middle of a batch."""

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [token_ids(self.processing_class, prompt) for prompt in prompts], None, {}

    def _get_train_sampler(self, dataset: Dataset | None = None) -> Turns:
        args = self.args
        return Turns(
            len(self.train_dataset),
            batch=args.generation_batch_size // args.num_generations,
            group=args.num_generations,
            repeats=args.steps_per_generation * args.num_iterations,
            batches=math.ceil(args.max_steps / args.num_iterations),
            seed=args.seed,
        )

    def _save_checkpoint(self, model: object, trial: object) -> None:
        super()._save_checkpoint(model, trial)
        kept = {"passes": self._step, "answers": self._buffered_inputs}
        torch.save(kept, Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}" / ANSWERS)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            kept = torch.load(Path(checkpoint) / ANSWERS, weights_only=True)
            self._step, self._buffered_inputs = kept["passes"], kept["answers"]


def group_arguments(job: Job, settings: Grouped, parts: Parts) -> dict[str, Any]:
    """Return the arguments that TRL's trainers for groups take."""
    return {
        **arguments(job, settings, len(parts.encoded.rows) * settings.group_size),
        "num_generations": settings.group_size,
        "num_iterations": settings.epochs_per_batch,
        "max_completion_length": settings.max_new_tokens,
        "temperature": settings.temperature,
        "beta": settings.beta,
        "epsilon": settings.clip_range,
        "remove_unused_columns": False,  # the number of a row finds its problem
    }


def carried(history: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Return the records of the steps, each with what was told of the answers that it learns from."""
    whole: dict[str, float] = {}
    return [whole := {**whole, **record} for record in history]


def train_groups(job: Job, trainer: Trainer, settings: Grouped, encoded: Encoded) -> None:
    """Run ``trainer`` to its last step and keep what it made.

    Raises:
        NumericalError: No group had answers of different reward.
    """
    needed = bool(job.start) and settings.beta > 0.0
    if COPY in trainer.model.peft_config and not needed:
        trainer.model.delete_adapter(COPY)  # a copy of a new adapter is the base: TRL switches adapters off
    complete(job, trainer, settings)
    state = trainer.state
    history = carried([record for record in state.log_history if "loss" in record])
    if all(record["frac_reward_zero_std"] == 1.0 for record in history):
        raise NumericalError(
            "the answers to a prompt all had the same reward, so there was nothing to learn. "
            "Fix: take a reward that tells them apart, a larger group_size, or a better start."
        )
    answers = math.ceil(state.global_step / settings.epochs_per_batch) * settings.batch_size
    outcome = Outcome(
        model=trainer.model,
        tokenizer=trainer.processing_class,
        history=history,
        steps=state.global_step,
        rows=len(encoded.rows),
        dropped=encoded.dropped,
        tokens=state.num_input_tokens_seen,
        samples=answers,
        repeats=settings.epochs_per_batch,
    )
    finish(job, outcome)
