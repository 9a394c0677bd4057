"""TRL's trainers under our rules: their arguments, a watch over every step, and one run from start to end."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from workflow.lib.adapters import ADAPTER, TRAINED, load_weights
from workflow.lib.checkpoints import CHECKPOINT_EVERY, PROGRESS_EVERY, StopSignal, newest, seal
from workflow.lib.errors import NumericalError, Preempted
from workflow.lib.training import Encoded, Job, Outcome, finish, memory_named, micro_batch_of

IGNORED = -100  # label of a token that is not trained


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


def steps_of(rows: int, batch_size: int, epochs: int) -> int:
    """Return the number of optimizer steps; the last batch of an epoch may be smaller."""
    return math.ceil(rows / batch_size) * epochs


def arguments(job: Job, settings: Schedule, rows: int) -> dict[str, Any]:
    """Return the arguments that all of TRL's trainers take, for ``rows`` rows."""
    steps = steps_of(rows, settings.batch_size, settings.epochs)
    micro = micro_batch_of(settings.batch_size, job.hardware["micro_batch"])
    return {
        "output_dir": str(job.work),
        "seed": job.seed,
        "data_seed": job.seed,
        "max_steps": steps,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": settings.batch_size // micro,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": math.ceil(settings.warmup_fraction * steps),
        "use_cpu": job.hardware["device"] == "cpu",
        "bf16": job.hardware["precision"] == "bfloat16",
        "gradient_checkpointing": job.hardware["gradient_checkpointing"],
        "dataloader_pin_memory": job.hardware["device"] != "cpu",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would hide a loss that is not finite
        "save_strategy": "no",  # Watch saves by the clock
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
    }


class Watch(TrainerCallback):  # type: ignore[misc]
    """Stops a training that is not finite, saves whole checkpoints, and reports progress."""

    def __init__(self, stop: StopSignal, resumed: Path | None) -> None:
        """Watch for ``stop``; ``resumed`` is the checkpoint that the training goes on from."""
        self._stop = stop
        self._resumed = resumed
        self._saved = self._told = time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
    ) -> None:
        """Load the checkpoint's adapter: transformers 5.19 skips it where another lies in a sub-folder."""
        if self._resumed is not None:
            load_weights(rest["model"], self._resumed / ADAPTER, TRAINED)

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
        control.should_training_stop |= self._stop.received
        control.should_save = (due or self._stop.received) and state.global_step < state.max_steps

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any
    ) -> None:
        """Mark the checkpoint as whole."""
        seal(Path(args.output_dir) / f"checkpoint-{state.global_step}")
        self._saved = time.monotonic()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float],
        **rest: Any,
    ) -> None:
        """Check that the loss is finite; print one line a minute."""
        if not math.isfinite(logs.get("loss", 0.0)):
            raise NumericalError(f"loss at step {state.global_step} is {logs['loss']}. Fix: lower the rate.")
        if time.monotonic() - self._told > PROGRESS_EVERY or state.global_step in (1, state.max_steps):
            self._told = time.monotonic()
            print(f"step {state.global_step} of {state.max_steps}: {logs}", flush=True)


def check_gradients(parameters: Iterable[torch.nn.Parameter], step: int) -> None:
    """Raise ``NumericalError`` unless every gradient is finite."""
    norms = torch._foreach_norm([p.grad for p in parameters if p.grad is not None])
    if norms and not torch.isfinite(torch.stack(norms)).all():
        raise NumericalError(f"a gradient at step {step} is not finite. Fix: lower the learning rate.")


def train(job: Job, trainer: Trainer, encoded: Encoded, settings: Schedule) -> None:
    """Run ``trainer`` to its last step, from a checkpoint if there is one, and keep what it made.

    Raises:
        Preempted: A signal stopped it; the checkpoint is there.
        DeviceMemoryError: The GPU ran out of memory.
    """
    trainer.remove_callback(PrinterCallback)
    checkpoint = newest(job.work)
    with StopSignal() as stop, job.meter.training(), memory_named(job):
        trainer.add_callback(Watch(stop, checkpoint))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    state = trainer.state
    if state.global_step < state.max_steps:
        raise Preempted(f"stopped at step {state.global_step} of {state.max_steps}: run again to go on")
    rows = len(encoded.rows)
    outcome = Outcome(
        model=trainer.model,
        tokenizer=trainer.processing_class,
        history=[record for record in state.log_history if "loss" in record],
        steps=state.global_step,
        rows=rows,
        dropped=encoded.dropped,
        tokens=encoded.tokens * settings.epochs,
        samples=rows * settings.epochs,
    )
    finish(job, outcome)
