"""What all training methods share: the job, its rows as tokens, its arguments, its end.

A method's script builds a trainer from ``begin``, ``encode`` and ``arguments`` and hands it to ``train``;
our PPO has a loop of its own and hands its model to ``finish``.
"""

import math
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from importlib.metadata import version
from keyword import iskeyword
from pathlib import Path
from typing import Any, TypeVar

import huggingface_hub.constants
import pyarrow as pa
import torch
from peft import PeftModel
from transformers import (
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from workflow.lib.adapters import ADAPTER, TRAINED, load_weights, save_adapter
from workflow.lib.cards import model_card
from workflow.lib.chat import render, token_ids
from workflow.lib.checkpoints import CHECKPOINT_EVERY, PROGRESS_EVERY, StopSignal, newest, seal
from workflow.lib.errors import DataError, DependencyError, DeviceMemoryError, NumericalError, Preempted
from workflow.lib.files import copy_file, digest_of, read_json, sha256, write_json, write_parquet, write_text
from workflow.lib.records import load
from workflow.lib.telemetry import Meter

Kind = TypeVar("Kind")
MOST_DROPPED = 0.1  # share of rows over max_length above which the settings must be wrong
IGNORED = -100  # label of a token that is not trained
PACKAGES = ("accelerate", "datasets", "peft", "safetensors", "tokenizers", "torch", "transformers", "trl")
NOT_CURVES = ("epoch", "num_tokens", "num_input_tokens_seen", "step", "tokens")
CURVES = pa.schema(
    [
        ("dataset", pa.string()),
        ("model", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int64()),
        ("step", pa.int64()),
        ("quantity", pa.string()),
        ("value", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Job:
    """One training: what the rule hands to the script of the method."""

    rows: str | Sequence[str]  # Parquet files of preference rows
    start: Sequence[str]  # [safetensors, config] of the adapter to continue; empty: start from the base
    reward: Sequence[str]  # the same of the reward adapter, for PPO
    manifest: str
    snapshot: str
    outputs: Mapping[str, str]
    settings: Mapping[str, Any]
    lora: Mapping[str, Any]
    hardware: Mapping[str, Any]
    dataset: str
    model: str
    method: str
    seed: int
    threads: int
    meter: Meter = field(default_factory=Meter)

    @property
    def paths(self) -> list[str]:
        """Return the files of rows."""
        return [self.rows] if isinstance(self.rows, str) else list(self.rows)

    @property
    def folder(self) -> Path:
        """Return the folder of the adapter."""
        return Path(self.outputs["adapter"]).parent

    @cached_property
    def inputs(self) -> dict[str, str]:
        """Return the digests of what the training reads."""
        named = {Path(path).name: path for path in self.paths}
        named |= {"start": self.start[0]} if self.start else {}
        named |= {"reward": self.reward[0]} if self.reward else {}
        digests = {name: sha256(path) for name, path in named.items()}
        return {**digests, "base": str(read_json(self.manifest)["digest"])}

    @cached_property
    def work(self) -> Path:
        """Return the folder for checkpoints: its name changes with anything that changes the result."""
        meaning = [dict(self.settings), dict(self.lora), self.hardware["precision"], self.inputs]
        name = f"seed-{self.seed}/{digest_of(meaning)[:16]}"
        return Path("work/adapters") / self.dataset / self.model / self.method / name


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


@dataclass(frozen=True)
class Encoded:
    """Rows as tokens: ``prompt_ids`` and, for each text column, the ids that follow the prompt."""

    rows: list[dict[str, list[int]]]
    dropped: int  # rows over the longest length
    tokens: int  # in all rows, a prompt counted once per completion


@dataclass(frozen=True)
class Outcome:
    """What a finished training hands to ``finish``."""

    model: PeftModel
    tokenizer: PreTrainedTokenizerBase
    history: list[dict[str, float]]  # one record per step: "step" and the quantities
    steps: int
    rows: int
    dropped: int
    tokens: int
    samples: int


def begin(kind: type[Kind], given: Mapping[str, Any]) -> tuple[Job, Kind]:
    """Return the job and its settings as ``kind``, and set the process up for it."""
    job = Job(**given)
    settings = read_settings(kind, job.settings, f"methods.{job.method}")
    if job.hardware["device"] == "cuda" and not torch.cuda.is_available():
        raise DependencyError("hardware.device is cuda, but no GPU is visible. Fix: ask for one, or set cpu.")
    torch.set_num_threads(job.threads)
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True
    return job, settings


def read_settings(kind: type[Kind], settings: Mapping[str, Any], where: str) -> Kind:
    """Return ``settings`` as the dataclass ``kind``; a missing or unknown key is named in one line."""
    given = {f"{key}_" if iskeyword(key) else key: value for key, value in settings.items()}
    known = {f.name: f.default is MISSING for f in fields(kind)}  # type: ignore[arg-type]
    missing = sorted(name.rstrip("_") for name, needed in known.items() if needed and name not in given)
    unknown = sorted(name for name in settings if name not in known and f"{name}_" not in known)
    if missing or unknown:
        raise DataError(
            f"config '{where}': missing keys {missing}, unknown keys {unknown}. Fix: mend the config."
        )
    return kind(**given)


def encode(
    job: Job, kind: type[Any], columns: Sequence[str], tokenizer: PreTrainedTokenizerBase, longest: int
) -> Encoded:
    """Return the training rows as tokens, rendered as they are for sampling and scoring.

    Args:
        job: Names the files of rows; only rows of the split "train" are taken.
        kind: Record class of the rows.
        columns: Text columns that complete the prompt; none for prompts alone.
        tokenizer: With the chat template.
        longest: Tokens of prompt and completion; rows with more are dropped and counted.

    Raises:
        DataError: A row breaks the contract of ``_tokens``, no row is left, or too many were dropped.
    """
    records = [r for path in job.paths for r in load(path, kind) if r.split == "train"]
    whole = [_tokens(record, columns, tokenizer) for record in records]
    lengths = [[len(ids["prompt_ids"]) + len(ids[f"{c}_ids"]) for c in columns] for ids in whole]
    sizes = [sizes or [len(ids["prompt_ids"])] for sizes, ids in zip(lengths, whole, strict=True)]
    kept = [(ids, sum(size)) for ids, size in zip(whole, sizes, strict=True) if max(size) <= longest]
    dropped = len(records) - len(kept)
    print(f"rows: {len(records)} in, {dropped} over {longest} tokens, {len(kept)} kept", flush=True)
    if dropped > MOST_DROPPED * len(records) or not kept:
        raise DataError(
            f"{job.paths}: {dropped} of {len(records)} rows are over {longest} tokens. Fix: raise "
            f"'max_length' of methods.{job.method}, or shorten the rows."
        )
    print(f"tokens of the first row: {kept[0][0]}", flush=True)
    return Encoded([ids for ids, _ in kept], dropped, sum(size for _, size in kept))


def _tokens(record: Any, columns: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> dict[str, list[int]]:
    """Return one row as tokens after checking it: one BOS, the prompt kept whole, the completion closed."""
    prompt = token_ids(tokenizer, render(tokenizer, record.prompt))
    row = {"prompt_ids": prompt}
    for column in columns:
        ids = token_ids(tokenizer, render(tokenizer, record.prompt, getattr(record, column)))
        row[f"{column}_ids"] = ids[len(prompt) :]
        if ids[: len(prompt)] != prompt:
            raise DataError(f"row {record.row_id}: the prompt's tokens change once '{column}' follows")
        if row[f"{column}_ids"].count(tokenizer.eos_token_id) != 1:
            raise DataError(f"row {record.row_id} field '{column}': expected exactly one EOS, at its end")
    bos = tokenizer.bos_token_id
    if bos is not None and bos != tokenizer.eos_token_id and prompt.count(bos) > 1:
        raise DataError(f"row {record.row_id}: expected one BOS, found {prompt.count(bos)} in the prompt")
    return row


def steps_of(rows: int, batch_size: int, epochs: int) -> int:
    """Return the number of optimizer steps; the last batch of an epoch may be smaller."""
    return math.ceil(rows / batch_size) * epochs


def micro_batch_of(batch_size: int, most: int) -> int:
    """Return the largest number of rows, at most ``most``, that divides ``batch_size``."""
    return max(size for size in range(1, min(batch_size, most) + 1) if batch_size % size == 0)


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


@contextmanager
def memory_named(job: Job) -> Iterator[None]:
    """Turn running out of GPU memory within the block into an error that says what to change."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            f"out of GPU memory with hardware.micro_batch {job.hardware['micro_batch']}. "
            "Fix: lower it, or set hardware.gradient_checkpointing; the global batch stays as it is."
        ) from error


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


def finish(job: Job, outcome: Outcome) -> None:
    """Write the adapter, tokenizer, curves, model card and run record; remove the checkpoints."""
    job.folder.mkdir(parents=True, exist_ok=True)
    scratch = job.work / "saved"
    scratch.mkdir(parents=True, exist_ok=True)
    save_adapter(outcome.model, job.folder, scratch, job.model, job.start)
    outcome.tokenizer.save_pretrained(scratch, save_jinja_files=False)
    for path in sorted(scratch.glob("*token*.json")):
        copy_file(path, job.folder / path.name)
    final = {key: value for key, value in outcome.history[-1].items() if key not in NOT_CURVES}
    write_parquet(job.outputs["curves"], curves_table(job, outcome.history))
    write_text(job.outputs["card"], model_card(_facts(job, outcome, final), read_json(job.manifest)))
    costs = job.meter.report(tokens=outcome.tokens, samples=outcome.samples, device=job.hardware["device"])
    write_json(job.outputs["run"], {**_facts(job, outcome, final), **costs})
    shutil.rmtree(job.work)


def _facts(job: Job, outcome: Outcome, final: Mapping[str, float]) -> dict[str, Any]:
    """Return what is known of a training apart from its cost."""
    return {
        "dataset": job.dataset,
        "model": job.model,
        "method": job.method,
        "seed": job.seed,
        "settings": dict(job.settings),
        "lora": dict(job.lora),
        "hardware": dict(job.hardware),
        "steps": outcome.steps,
        "rows": outcome.rows,
        "rows_dropped": outcome.dropped,
        "final": dict(final),
        "inputs": job.inputs,
        "versions": {name: version(name) for name in PACKAGES},
    }


def curves_table(job: Job, history: Sequence[Mapping[str, float]]) -> pa.Table:
    """Return one row per step and quantity, steps ascending, quantities by name."""
    rows = [
        {
            "dataset": job.dataset,
            "model": job.model,
            "method": job.method,
            "seed": job.seed,
            "step": int(record["step"]),
            "quantity": quantity,
            "value": float(record[quantity]),
        }
        for record in history
        for quantity in sorted(record)
        if quantity not in NOT_CURVES
    ]
    return pa.Table.from_pylist(rows, schema=CURVES)
