"""TRL's trainers under our rules: their arguments, a watch over every step, and one run from start to end."""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from torch.utils.data import Sampler
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from workflow.lib.adapters import TRAINED, attach, load_weights
from workflow.lib.budgets import Clock, Epoch, steps_bought
from workflow.lib.checkpoints import CHECKPOINT_EVERY, StopSignal, newest, seal
from workflow.lib.errors import DataError, NumericalError, Preempted
from workflow.lib.lora import WEIGHTS
from workflow.lib.models import load_base
from workflow.lib.progress import Progress
from workflow.lib.ranks import any_of, barrier, rank, within
from workflow.lib.rows import IGNORED, ByLength, length_of
from workflow.lib.trackers import tracker_arguments
from workflow.lib.training import Encoded, Job, Outcome, finish, optimising


@dataclass(frozen=True)
class Schedule:
    """Settings that the methods on fixed rows share."""

    learns_from: str
    start_from: str
    learning_rate: float
    epochs: int
    batch_size: int  # rows per optimizer step, over all devices
    max_length: int  # tokens; longer rows are dropped and counted
    warmup_fraction: float

    @property
    def fresh(self) -> int:
        """Return how many rows of a step no step before it had in this epoch."""
        return self.batch_size


def policy_of(job: Job) -> PeftModel:
    """Return the base of ``job`` with the adapter to train."""
    base = load_base(job.snapshot, job.hardware)
    return attach(base, job.lora, job.start, task="CAUSAL_LM", seed=job.seed)


def epoch_of(settings: Schedule, sequences: int, encoded: Encoded | None) -> Epoch:
    """Return one pass over the training data, as ``arguments`` is told of it."""
    pairs, tokens = (sequences, None) if encoded is None else (len(encoded.rows), encoded.tokens)
    return Epoch(sequences, settings.fresh, pairs, tokens)


def arguments(job: Job, settings: Schedule, sequences: int, encoded: Encoded | None = None) -> dict[str, Any]:
    """Return the arguments that all of TRL's trainers take.

    Args:
        job: The training.
        settings: Its schedule; a budget of the study replaces ``epochs``.
        sequences: What there is to train on; ``batch_size`` counts these.
        encoded: The rows that they were made from; ``None`` where a method writes its own tokens.
    """
    epoch = epoch_of(settings, sequences, encoded)
    steps = epoch.steps * settings.epochs if job.budget is None else steps_bought(job.budget, epoch)
    cpu, deepspeed = job.hardware["device"] == "cpu", job.hardware["deepspeed"]
    return {
        "output_dir": str(job.work),
        "seed": job.seed,
        "data_seed": job.seed,
        "max_steps": steps,
        "per_device_train_batch_size": job.micro_batch,
        "gradient_accumulation_steps": settings.batch_size // (job.micro_batch * job.hardware["processes"]),
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": math.ceil(settings.warmup_fraction * steps),
        "use_cpu": cpu and deepspeed == "none",  # it would switch DeepSpeed off
        "ddp_backend": "gloo" if cpu and within() else None,
        "ddp_find_unused_parameters": False,  # every part of an adapter takes part in every step
        "bf16": job.hardware["precision"] == "bfloat16",
        "gradient_checkpointing": job.hardware["gradient_checkpointing"],
        "dataloader_pin_memory": job.hardware["device"] != "cpu",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would hide a loss that is not finite
        "save_strategy": "no",  # Watch saves by the clock
        "save_total_limit": 2,
        "disable_tqdm": True,  # Watch tells how far it is
        **tracker_arguments(job.shared["trackers"], Path("work/trackers").resolve(), run_name(job)),
    }


def run_name(job: Job) -> str:
    """Return the name of a training for trackers."""
    return f"{job.dataset}/{job.model}/{job.method}/seed-{job.seed}"


class Watch(TrainerCallback):  # type: ignore[misc]
    """Stops a training that is not finite, saves whole checkpoints, and reports progress."""

    def __init__(
        self, stop: StopSignal, resumed: Path | None, clock: Clock | None = None, steps: int | None = None
    ) -> None:
        """Watch for ``stop`` and the end of ``clock``.

        Args:
            stop: Signals of the system.
            resumed: The checkpoint that the training goes on from.
            clock: Of a budget in seconds.
            steps: At most; ``None`` where nobody knows.
        """
        self._stop = stop
        self._resumed = resumed
        self._clock = clock
        self._progress = Progress("step", steps)
        self._saved = time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
    ) -> None:
        """Load the checkpoint's adapter: transformers 5.19 skips it where another lies in a sub-folder."""
        if (
            self._resumed is not None and args.deepspeed_plugin is None
        ):  # which brings back what it has divided
            load_weights(rest["model"], self._resumed / WEIGHTS, TRAINED)

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
    ) -> None:
        """Stop before a gradient that is not finite reaches the weights."""
        check_gradients(rest["model"].parameters(), state.global_step + 1)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
    ) -> None:
        """Ask for a checkpoint when told to stop or when the last one is old."""
        due = time.monotonic() - self._saved > CHECKPOINT_EVERY
        over = over_at(state, self._clock)
        due, stop = any_of([due, self._stop.received])
        control.should_training_stop |= stop or over
        control.should_save = (due or stop) and not over

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
    ) -> None:
        """Mark the checkpoint as whole once every rank has written its part."""
        barrier()
        if rank() == 0:
            seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")
        barrier()
        self._saved = time.monotonic()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float],
        **rest: Any,
    ) -> None:
        """Check that the loss is finite, and the gradient, which DeepSpeed hides; print one line a minute."""
        for name in sorted({"loss", "grad_norm"} & logs.keys()):
            if not math.isfinite(logs[name]):
                told = f"{name} at step {state.global_step} is {logs[name]}"
                raise NumericalError(f"{told}. Fix: lower the learning rate.")
        self._progress.at(state.global_step, logs)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
    ) -> None:
        """Take the bar off the terminal."""
        self._progress.close()


def check_first(batch: Mapping[str, Any], eos: int) -> None:
    """Print the first row of the first batch, and fail unless every completion in it is trained to its end.

    Args:
        batch: As the trainer gets it; labels, or the tokens under ``completion_mask``, are what is trained.
        eos: Token that ends a completion.
    """
    tensors = {name: value for name, value in batch.items() if torch.is_tensor(value)}
    for name, value in sorted(tensors.items()):
        print(f"first batch: {name}: {value[0].tolist()}", flush=True)
    trained = [value for name, value in tensors.items() if name.endswith("labels")]
    if "completion_mask" in tensors:
        trained.append(tensors["input_ids"].masked_fill(tensors["completion_mask"] == 0, IGNORED))
    for value in trained:
        if not (value == eos).any(dim=-1).all():
            raise DataError("the first batch has a completion whose EOS is not trained. Fix: report this.")


def rows_in(batch: Mapping[str, Any] | list[Any]) -> int:
    """Return the rows of a micro-batch; a pair may count as two."""
    return len(batch if isinstance(batch, list) else next(iter(batch.values())))


class Evenly(Trainer):  # type: ignore[misc]
    """Gives every row of a batch the same weight, however many passes share them.

    Of a loss that is a mean over rows, transformers averages the passes, also where the last one has fewer
    rows. Losses over the tokens of the whole batch (SFT) are right as they are.
    """

    def get_batch_samples(
        self, epoch_iterator: Any, num_batches: int, device: torch.device
    ) -> tuple[Any, Any]:
        """Return the passes of one step, and note what each weighs; show and check the very first."""
        passes, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.state.global_step == 0 and isinstance(passes[0], Mapping):
            check_first(passes[0], self.processing_class.eos_token_id)
        rows = [rows_in(batch) for batch in passes]
        self._weights = iter([len(rows) * count / sum(rows) for count in rows])
        return passes, items

    def compute_loss(self, *args: Any, num_items_in_batch: Any = None, **options: Any) -> Any:
        """Return the loss of one pass, weighed."""
        loss = super().compute_loss(*args, num_items_in_batch=num_items_in_batch, **options)
        weight = next(self._weights)
        return loss if weight == 1.0 or num_items_in_batch is not None else loss * weight


class EvenTokens(Trainer):  # type: ignore[misc]
    """Gives every token of a batch the same weight in a term that is a mean over tokens.

    TRL takes the mean of each pass by itself, where a token weighs the more the fewer there are beside it.
    """

    def tokens_in(self, batch: Mapping[str, Any]) -> int:
        """Return over how many tokens of a pass the term is a mean."""
        raise NotImplementedError

    def weigh_tokens(self, share: float) -> None:
        """Multiply the term by ``share`` in the next pass."""
        raise NotImplementedError

    def get_batch_samples(self, *given: Any) -> tuple[Any, Any]:
        """Return the passes of one step, and note what the term weighs in each, all processes counted."""
        passes, items = super().get_batch_samples(*given)
        counts = [(self.tokens_in(batch), rows_in(batch)) for batch in passes]
        whole = torch.tensor(counts, device=self.accelerator.device).sum(0)
        tokens, rows = self.accelerator.reduce(whole, "sum").tolist()
        self._shares = iter([(own / beside) / (tokens / rows) for own, beside in counts])
        return passes, items

    def compute_loss(self, *given: Any, **options: Any) -> Any:
        """Return the loss of one pass."""
        self.weigh_tokens(next(self._shares))
        return super().compute_loss(*given, **options)


class LengthGrouped(Trainer):  # type: ignore[misc]
    """Needs less padding where a global batch is cut into micro-batches: rows of one length share one."""

    def _get_train_sampler(self, dataset: Dataset | None = None) -> Sampler[int]:
        args = self.args
        parts = args.gradient_accumulation_steps * args.world_size
        if parts == 1:
            drawn: Sampler[int] = super()._get_train_sampler(dataset)
            return drawn
        lengths = [length_of(row) for row in self.train_dataset]
        return ByLength(lengths, args.train_batch_size * parts, args.data_seed)


def over_at(state: TrainerState, clock: Clock | None) -> bool:
    """Return whether the training has made all its steps or used up its time."""
    return state.global_step >= state.max_steps or (clock is not None and clock.share() >= 1.0)


def check_gradients(parameters: Iterable[torch.nn.Parameter], step: int) -> None:
    """Raise ``NumericalError`` unless every gradient is finite."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if gradients and not torch.isfinite(torch.stack(torch._foreach_norm(gradients))).all():
        raise NumericalError(f"a gradient at step {step} is not finite. Fix: lower the learning rate.")


def follow_clock(trainer: Trainer, clock: Clock, warmup: float) -> None:
    """Let the learning rate follow the time: nobody knows beforehand how many steps there will be."""
    if trainer.accelerator.num_processes > 1:
        raise DataError("train.budget: unit: seconds: processes would stop apart. Fix: give it in steps.")
    optimizer = trainer.create_optimizer()
    trainer.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: clock.rate(warmup))


def complete(job: Job, trainer: Trainer, settings: Schedule) -> None:
    """Run ``trainer`` to its last step, from a checkpoint if there is one.

    Raises:
        Preempted: A signal stopped it; the checkpoint is there.
        DeviceMemoryError: The GPU ran out of memory.
    """
    trainer.remove_callback(PrinterCallback)
    trainer.__class__ = type(type(trainer).__name__, (Evenly, type(trainer)), {})
    with optimising(job) as stop:
        checkpoint = newest(job.work)
        if job.clock:
            follow_clock(trainer, job.clock, settings.warmup_fraction)
        trainer.add_callback(
            Watch(stop, checkpoint, job.clock, None if job.clock else trainer.args.max_steps)
        )
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    state = trainer.state
    if not over_at(state, job.clock):
        raise Preempted(f"stopped at step {state.global_step} of {state.max_steps}: run again to go on")


def train(job: Job, trainer: Trainer, encoded: Encoded, settings: Schedule) -> None:
    """Run ``trainer`` on ``encoded`` to its last step, as ``complete`` does, and keep what it made."""
    complete(job, trainer, settings)
    state = trainer.state
    epoch = epoch_of(settings, len(trainer.train_dataset), encoded)
    outcome = Outcome(
        model=trainer.model,
        tokenizer=trainer.processing_class,
        history=[record for record in state.log_history if "loss" in record],
        steps=state.global_step,
        rows=len(encoded.rows),
        dropped=encoded.dropped,
        tokens=epoch.share_after(state.global_step, encoded.tokens),
        samples=epoch.share_after(state.global_step, len(encoded.rows)),
        counts=encoded.counts,
    )
    finish(job, outcome)
