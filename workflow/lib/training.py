"""What all training methods share: the job, its settings, its rows as tokens, and what it leaves behind.

A method of TRL builds its trainer from these and hands it to ``workflow.lib.trainers.train``; our own PPO
has a loop of its own and hands its model to ``finish``.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
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
from transformers import PreTrainedTokenizerBase

from workflow.lib.adapters import save_adapter
from workflow.lib.cards import model_card
from workflow.lib.chat import render, token_ids
from workflow.lib.errors import DataError, DependencyError, DeviceMemoryError
from workflow.lib.files import copy_file, digest_of, read_json, sha256, write_json, write_text
from workflow.lib.parquet import write_parquet
from workflow.lib.records import load
from workflow.lib.telemetry import Meter

Kind = TypeVar("Kind")
MOST_DROPPED = 0.1  # share of rows over max_length above which the settings must be wrong
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


def micro_batch_of(batch_size: int, most: int) -> int:
    """Return the largest number of rows, at most ``most``, that divides ``batch_size``."""
    return max(size for size in range(1, min(batch_size, most) + 1) if batch_size % size == 0)


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
