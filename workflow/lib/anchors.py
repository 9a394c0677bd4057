"""Log-probabilities under the reference policy: computed once, kept by content, shared by betas and seeds.

The reference never moves, so its numbers depend on base, start adapter, rows as tokens, arithmetic and
nothing else. They lie in ``work/references/<key>/``, where the key is a digest of exactly that. So the same
key means the same numbers, whoever computed them: two jobs that start at once both compute them and write
the same bytes. The folder may be deleted at any time.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from datasets import Dataset

from workflow.lib.errors import IntegrityError
from workflow.lib.files import digest_of, write_json
from workflow.lib.parquet import read_parquet, write_parquet
from workflow.lib.progress import Progress
from workflow.lib.ranks import rank
from workflow.lib.rows import length_of
from workflow.lib.training import Job

COPY = "ref"  # TRL's name for the frozen copy of the adapter that training starts from
STORE = Path("work/references")
LOGPS = "logps.parquet"
PACKAGES = ("peft", "torch", "transformers", "trl")
# Largest difference from a live number, as a share of it, or in nats below one: rounding on other machines.
TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}


def row_digests(rows: Dataset) -> list[str]:
    """Return a digest of the tokens of each row."""
    return [hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest() for row in rows]


def content_of(job: Job, names: Sequence[str], digests: Sequence[str]) -> dict[str, Any]:
    """Return all that the numbers depend on, as JSON: the key is its digest.

    Args:
        job: Names base, start, arithmetic.
        names: Of the columns.
        digests: Of the rows, in their order.
    """
    start = {"adapter": job.inputs["start"], "lora": dict(job.lora)} if job.start else None
    return {
        "base": job.inputs["base"],
        "start": start,
        "hardware": dict(job.hardware),
        "columns": list(names),
        "rows": digest_of(list(digests)),
        "together": "rows of one length",  # what shares its padding
        "versions": {name: version(name) for name in PACKAGES},
    }


def use_stored(job: Job, trainer: Any, names: Sequence[str]) -> None:
    """Give the rows of ``trainer`` the reference's log-probabilities: no reference pass in any step.

    Args:
        job: The training.
        trainer: TRL's, of a method with ``compute_ref_log_probs`` and ``precompute_ref_logps`` (DPO, KTO).
        names: The columns in which TRL expects what ``compute_ref_log_probs`` returns, in its order.

    Raises:
        IntegrityError: What is stored is not what a live pass gives, within ``TOLERANCE``.
    """
    if trainer.is_deepspeed_enabled:
        print("reference log-probabilities: live, because DeepSpeed has not placed the model yet", flush=True)
        return
    digests = row_digests(trainer.train_dataset)
    content = content_of(job, names, digests)
    folder = STORE / digest_of(content)[:16]
    found = (folder / LOGPS).exists()
    stored = read_parquet(folder / LOGPS) if found else pa.table({"row": digests} | _computed(trainer, names))
    if not found and rank() == 0:
        write_json(folder / "content.json", content)
        write_parquet(folder / LOGPS, stored)
    if stored["row"].to_pylist() != digests:
        raise IntegrityError(f"{folder / LOGPS}: expected the rows of this job. Fix: delete {folder}.")
    columns = {name: stored[name].to_pylist() for name in names}
    difference = check_live(job, trainer, columns, folder)
    source = "found" if found else "computed"
    print(f"reference log-probabilities: {len(digests)} rows {source} in {folder}, {difference:.1e} off live")
    for name, values in columns.items():
        trainer.train_dataset = trainer.train_dataset.add_column(name, values)
    trainer.precompute_ref_logps = True


def _live(trainer: Any, rows: Sequence[int]) -> Iterator[torch.Tensor]:
    """Yield the reference's log-probabilities, each (B,), of the micro-batch of these ``rows``."""
    batch = trainer.data_collator([trainer.train_dataset[i] for i in rows])
    device = trainer.accelerator.device
    inputs = {key: value.to(device) if torch.is_tensor(value) else value for key, value in batch.items()}
    for values in trainer.compute_ref_log_probs(trainer.model, inputs):
        if values is not None:
            yield values.float().cpu()


def _batches(trainer: Any, order: Sequence[int]) -> list[Sequence[int]]:
    size = trainer.args.per_device_train_batch_size
    return [order[first : first + size] for first in range(0, len(order), size)]


def _computed(trainer: Any, names: Sequence[str]) -> dict[str, pa.Array]:
    """Return the columns ``names``; rows of one length are computed together, the longest first."""
    lengths = [length_of(row) for row in trainer.train_dataset]
    order = sorted(range(len(lengths)), key=lambda i: lengths[i], reverse=True)
    columns = {name: torch.empty(len(order)) for name in names}
    batches = _batches(trainer, order)
    progress = Progress("reference batch", len(batches))
    for number, rows in enumerate(batches, start=1):
        for name, values in zip(names, _live(trainer, rows), strict=True):
            columns[name][list(rows)] = values
        progress.at(number)
    progress.close()
    return {name: pa.array(values.numpy(), pa.float32()) for name, values in columns.items()}


def check_live(job: Job, trainer: Any, columns: Mapping[str, Sequence[float]], folder: Path) -> float:
    """Return the largest relative difference of one micro-batch, chosen by the seed, from a live pass.

    Raises:
        IntegrityError: It is larger than ``TOLERANCE``.
    """
    batches = _batches(trainer, range(len(trainer.train_dataset)))
    rows = batches[job.seed % len(batches)]
    allowed, differences = TOLERANCE[job.hardware["precision"]], []
    for values, live in zip(columns.values(), _live(trainer, rows), strict=True):
        stored = torch.tensor([values[i] for i in rows])
        differences.append((stored - live).abs() / live.abs().clamp(min=1.0))
    worst = float(torch.cat(differences).max())  # NaN, if there is one
    if not worst <= allowed:
        raise IntegrityError(
            f"{folder / LOGPS}: rows from {rows[0]}: expected what a live pass gives within {allowed:g}, "
            f"found {worst:.3g} off. Fix: delete {folder}."
        )
    return worst


def use_live(job: Job, trainer: Any, names: Sequence[str]) -> None:
    """Let ``trainer`` ask the reference in every step."""


REFERENCES = {"live": use_live, "stored": use_stored}


def set_reference(job: Job, trainer: Any, names: Sequence[str]) -> None:
    """Give ``trainer`` the reference that its job asks for: a frozen copy of the start, or the bare base.

    Args:
        job: The training.
        trainer: As for ``use_stored``.
        names: As for ``use_stored``.
    """
    if not job.start:  # a copy of a new adapter is the base: without it, TRL switches adapters off
        trainer.model.delete_adapter(COPY)
    REFERENCES[job.shared["reference_logps"]](job, trainer, names)
