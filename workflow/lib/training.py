"""What all training methods share: the job, its settings, its rows as tokens, and what it leaves behind.

A method of TRL builds its trainer from these and hands it to ``workflow.lib.trainers.train``; our own PPO
has a loop of its own and hands its model to ``finish``.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cached_property, wraps
from importlib.metadata import version
from keyword import iskeyword
from pathlib import Path
from typing import Any, TypeVar

import huggingface_hub.constants
import pyarrow as pa
import torch
from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from workflow.lib import ranks
from workflow.lib.adapters import TRAINED, save_adapter, undivided
from workflow.lib.budgets import SECONDS, Budget, Clock
from workflow.lib.cards import model_card
from workflow.lib.chat import render, token_ids
from workflow.lib.checkpoints import StopSignal, counted, newest
from workflow.lib.errors import DataError, DependencyError, DeviceMemoryError, IntegrityError
from workflow.lib.families import family
from workflow.lib.files import copy_file, digest_of, read_json, sha256, write_json, write_text
from workflow.lib.parquet import write_parquet
from workflow.lib.policies import logit_change
from workflow.lib.records import load, short_hash
from workflow.lib.telemetry import Meter, flops_per_token
from workflow.lib.trackers import check_installed

Kind = TypeVar("Kind")
SMALLER = "micro_batch.json"  # in the folder of checkpoints, written when a GPU ran out of memory
PROBE = "Is it so?"  # the prompt whose logits an adapter must move
GIB = 1 << 30
HASH_DIGITS = 16  # of ``short_hash``, hexadecimal
MOST_DROPPED = 0.1  # share of rows over max_length above which the settings must be wrong
PACKAGES = ("accelerate", "datasets", "peft", "safetensors", "tokenizers", "torch", "transformers", "trl")
NOT_CURVES = ("epoch", "num_tokens", "num_input_tokens_seen", "step", "step_time", "tokens")
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
    reward: Sequence[str]  # the same of each reward model that scores, one after the other
    choice: Sequence[str]  # file with the settings that a sweep chose; empty where nothing was swept
    manifest: str
    snapshot: str
    outputs: Mapping[str, str]
    settings: Mapping[str, Any]
    lora: Mapping[str, Any]
    hardware: Mapping[str, Any]
    shared: Mapping[str, Any]  # what the section ``train`` asks: budget, share, reference_logps, trackers
    dataset: str
    model: str
    method: str
    seed: int
    threads: int
    judges: Sequence[str] = ()  # [snapshot, manifest] of each classifier that scores, one after the other
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
        named |= {f"reward {i}": path for i, path in enumerate(self.reward[::2], start=1)}
        named |= {"choice": self.choice[0]} if self.choice else {}
        digests = {name: sha256(path) for name, path in named.items()}
        models = {"base": self.manifest}
        models |= {f"judge {i}": path for i, path in enumerate(self.judges[1::2], start=1)}
        return {**digests, **{name: str(read_json(path)["digest"]) for name, path in models.items()}}

    @cached_property
    def sweep(self) -> dict[str, Any] | None:
        """Return what a sweep on dev chose for the method; ``None`` where nothing was swept."""
        if not self.choice:
            return None
        found = read_json(self.choice[0])
        return {key: found[key] for key in ("task", "trial", "trials", "settings")}

    @property
    def budget(self) -> Budget | None:
        """Return what the training may spend; ``None`` where the method's own settings say when it ends."""
        return Budget(**self.shared["budget"]) if self.shared["budget"] else None

    @cached_property
    def clock(self) -> Clock | None:
        """Return the clock of a budget in seconds, which starts to count when it is first asked for."""
        timed = self.budget is not None and self.budget.unit == SECONDS
        return Clock(self.budget.amount, self.work / "clock.json") if self.budget and timed else None

    @cached_property
    def micro_batch(self) -> int:
        """Return the rows of one pass on one device: fewer than asked for once memory ran out."""
        smaller = self.work / SMALLER
        most = read_json(smaller)["rows"] if smaller.exists() else self.hardware["micro_batch"]
        return micro_batch_of(self.settings["batch_size"] // self.hardware["processes"], most)

    @cached_property
    def work(self) -> Path:
        """Return the folder for checkpoints: its name changes with anything that they would not fit."""
        layout = [self.hardware[key] for key in ("precision", "quantisation", "processes", "deepspeed")]
        shared = {key: self.shared[key] for key in ("budget", "share", "reference_logps")}
        meaning = [dict(self.settings), dict(self.lora), layout, self.inputs, shared]
        name = f"seed-{self.seed}/{digest_of(meaning)[:16]}"
        return Path("work/adapters") / self.dataset / self.model / self.method / name


@dataclass(frozen=True)
class Encoded:
    """Rows as tokens: ``prompt_ids`` and, for each text column, the ids that follow the prompt."""

    rows: list[dict[str, list[int]]]
    dropped: int  # rows over the longest length
    tokens: int  # in all rows, a prompt counted once per completion
    records: list[Any] = field(default_factory=list, compare=False)  # what each row was made from
    counts: Mapping[str, int] = field(default_factory=dict)  # what a method made of the rows


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
    repeats: int = 1  # optimizer steps that a token takes part in each time it is passed through
    counts: Mapping[str, int] = field(default_factory=dict)  # of ``Encoded``


def _check_parents(job: Job) -> None:
    """Fail unless the adapters that a training starts from or is rewarded by were made on its base."""
    for path in [*job.start[1::2], *job.reward[1::2]]:
        base = read_json(path)["base_model_name_or_path"]
        if base != job.model:
            raise IntegrityError(f"{path}: adapter of model '{base}', expected one of '{job.model}'")


def needs_ranks(hardware: Mapping[str, Any]) -> bool:
    """Return whether a training runs in processes that find each other; DeepSpeed's do, also a single one."""
    return bool(hardware["processes"] > 1 or hardware["deepspeed"] != "none")


def in_ranks(main: Callable[..., None]) -> Callable[..., None]:
    """Return ``main`` of a training script, run by as many processes as the hardware section asks for."""

    @wraps(main)
    def start(**given: Any) -> None:
        if ranks.within() or not needs_ranks(given["hardware"]):
            main(**given)
        else:
            hardware = given["hardware"]
            ranks.run(f"train_{family(given['method'])}", given, hardware["processes"], hardware["nodes"])

    return start


def begin(kind: type[Kind], given: Mapping[str, Any]) -> tuple[Job, Kind]:
    """Return the job and its settings as ``kind``, and set the process up for it."""
    job = Job(**given)
    if job.sweep:
        job = replace(job, settings={**job.settings, **job.sweep["settings"]})
    settings = read_settings(kind, job.settings, f"methods.{job.method}")
    check_installed(job.shared["trackers"])
    _check_parents(job)
    processes = job.hardware["processes"] // job.hardware["nodes"]  # on this node
    _check_devices(job.hardware["device"], processes)
    if needs_ranks(job.hardware) and not ranks.within():
        raise DataError(f"hardware.processes: '{job.method}' runs in one process, without DeepSpeed.")
    torch.set_num_threads(max(1, job.threads // processes))
    if job.hardware["device"] == "cuda":
        torch.cuda.set_device(ranks.local_rank())
    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True
    return job, settings


def _check_devices(device: str, processes: int) -> None:
    """Fail unless there is a GPU for every process that shall have one."""
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cuda" and not seen:
        raise DependencyError("hardware.device is cuda, but no GPU is visible. Fix: ask for one, or set cpu.")
    if device == "cuda" and seen < processes:
        raise DependencyError(
            f"hardware.processes is {processes} per node, but {seen} GPUs are seen. "
            "Fix: ask for more, or lower it."
        )


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
    every = [r for path in job.paths for r in load(path, kind) if r.split == "train"]
    records = [record for record in every if in_share(record.group_id, job.shared["share"])]
    print(f"rows of the split: {len(every)}, of which {len(records)} are in the share to learn from")
    whole = [_tokens(record, columns, tokenizer) for record in records]
    lengths = [[len(ids["prompt_ids"]) + len(ids[f"{c}_ids"]) for c in columns] for ids in whole]
    sizes = [sizes or [len(ids["prompt_ids"])] for sizes, ids in zip(lengths, whole, strict=True)]
    fits = [max(size) <= longest for size in sizes]
    kept = [(ids, sum(size)) for ids, size, fit in zip(whole, sizes, fits, strict=True) if fit]
    dropped = len(records) - len(kept)
    print(f"rows: {len(records)} in, {dropped} over {longest} tokens, {len(kept)} kept", flush=True)
    if dropped > MOST_DROPPED * len(records) or not kept:
        raise DataError(
            f"{job.paths}: {dropped} of {len(records)} rows are over {longest} tokens. Fix: raise "
            f"'max_length' of methods.{job.method}, or shorten the rows."
        )
    print(f"tokens of the first row: {kept[0][0]}", flush=True)
    return Encoded(
        rows=[ids for ids, _ in kept],
        dropped=dropped,
        tokens=sum(size for _, size in kept),
        records=[record for record, fit in zip(records, fits, strict=True) if fit],
    )


def in_share(group_id: str, share: float) -> bool:
    """Return whether a group is among the ``share`` of all groups: decided by its name, so shares nest."""
    return int(short_hash("share", group_id), 16) < int(share * 16**HASH_DIGITS)


def _tokens(record: Any, columns: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> dict[str, list[int]]:
    """Return one row as tokens after checking it: texts that differ, one BOS, a whole prompt, an end."""
    texts = [getattr(record, column).strip() for column in columns]
    if not all(texts):
        raise DataError(
            f"row {record.row_id} field '{columns[texts.index('')]}': expected a text, found none"
        )
    if len(set(texts)) < len(texts):
        raise DataError(f"row {record.row_id}: expected {' and '.join(columns)} to differ")
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
def optimising(job: Job) -> Iterator[StopSignal]:
    """Let a training run within the block: watched for signals, timed, its attempts counted, memory named."""
    with ranks.first_alone():
        checkpoint = newest(job.work)
    attempt = counted(job.work, checkpoint) if ranks.rank() == 0 else nullcontext()
    with StopSignal() as stop, job.meter.training(), attempt, memory_named(job):
        yield stop


@contextmanager
def memory_named(job: Job) -> Iterator[None]:
    """Turn running out of GPU memory within the block into an error, and halve the next attempt's passes.

    The note lies in the folder of checkpoints: no param of the rule changes, so nothing else runs again.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        rows, batch = job.micro_batch, job.settings["batch_size"]
        told = f"out of GPU memory with {rows} rows per pass and {batch} per step{_memory()}"
        if rows == 1:
            raise DeviceMemoryError(
                f"{told}. Fix: set hardware.gradient_checkpointing, quantisation or deepspeed."
            ) from error
        write_json(job.work / SMALLER, {"rows": rows // 2})
        raise DeviceMemoryError(
            f"{told}. The next attempt takes {rows // 2} rows per pass and {batch} per step as before. "
            f"Fix: run again; or lower hardware.micro_batch (now {job.hardware['micro_batch']}) for good."
        ) from error


def _memory() -> str:
    """Return what the GPU's memory held at the most, in words; nothing without a GPU."""
    if not torch.cuda.is_available():
        return ""
    _, total = torch.cuda.mem_get_info()
    return f": {torch.cuda.max_memory_reserved() / GIB:.1f} of {total / GIB:.1f} GiB taken"


def finish(job: Job, outcome: Outcome) -> None:
    """Write what a training made once it passed its last gates; every rank comes here, and rank 0 writes.

    Raises:
        IntegrityError: The adapter moves no logit.
        NumericalError: A tensor or a number of the last step is not finite, or nothing was learnt.
    """
    probe = token_ids(outcome.tokenizer, render(outcome.tokenizer, PROBE))
    precision = getattr(torch, job.hardware["precision"])
    outcome.model.eval()
    with torch.autocast(job.hardware["device"], precision, enabled=precision != torch.float32):
        moved = logit_change(outcome.model, TRAINED, probe)
    with undivided(outcome.model):
        if ranks.rank() == 0:
            _keep(job, outcome, moved)


def _keep(job: Job, outcome: Outcome, moved: float) -> None:
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
    costs = job.meter.report(
        tokens=outcome.tokens,
        samples=outcome.samples,
        flops=flops_per_token(outcome.model) * outcome.tokens * outcome.repeats,
        hardware=job.hardware,
    )
    spent = spent_of(job, outcome, costs["seconds_training"])
    write_json(
        job.outputs["run"], {**_facts(job, outcome, final), **costs, "budget": spent, "logits_moved": moved}
    )
    shutil.rmtree(job.work)


def spent_of(job: Job, outcome: Outcome, seconds: float) -> dict[str, Any] | None:
    """Return the budget, what was used of it and whether the same seed repeats it; ``None`` without one.

    Args:
        job: The training.
        outcome: What it made.
        seconds: Of training, in this process.
    """
    if job.budget is None:
        return None
    used = {"tokens": outcome.tokens, "steps": outcome.steps, "pairs": outcome.samples, SECONDS: seconds}
    used[SECONDS] = job.clock.spent() if job.clock else seconds
    unit = job.budget.unit
    return {"unit": unit, "amount": job.budget.amount, "used": used[unit], "reproducible": unit != SECONDS}


def _facts(job: Job, outcome: Outcome, final: Mapping[str, float]) -> dict[str, Any]:
    """Return what is known of a training apart from its cost."""
    return {
        "dataset": job.dataset,
        "model": job.model,
        "method": job.method,
        "seed": job.seed,
        "settings": dict(job.settings),
        "share": job.shared["share"],
        "sweep": job.sweep,
        "lora": dict(job.lora),
        "hardware": dict(job.hardware),
        "steps": outcome.steps,
        "rows": outcome.rows,
        "rows_dropped": outcome.dropped,
        "counts": dict(outcome.counts),
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
