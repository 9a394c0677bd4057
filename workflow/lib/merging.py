"""A base and an adapter as one plain model, and the proof that it answers as the two did."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from workflow.lib.errors import IntegrityError
from workflow.lib.models import load_base
from workflow.lib.policies import active, load_policies, logit_change

MERGED = "merged"  # name of the adapter in memory
PROBES = ("Is it so?", "If it rains, the road is wet. It rains. Is the road wet?", "Count from one to nine.")
# Largest change of a logit, as a share of the largest logit: a weight is rounded once more when merged.
TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-2}


def merge_into(
    snapshot: str,
    adapter: Path,
    merged: Path,
    *,
    model: str,
    hardware: Mapping[str, Any],
    probes: list[list[int]],
) -> float:
    """Write base and adapter as one model to ``merged``; return the largest relative change of a logit.

    Args:
        snapshot: Folder of the base.
        adapter: Folder of the adapter.
        merged: Gets configuration and safetensors, nothing of PEFT.
        model: Name of the base, which the adapter must have been made for.
        hardware: The config's hardware section.
        probes: Prompts as tokens.

    Raises:
        IntegrityError: The adapter does nothing, or what was written answers otherwise.
    """
    hardware = {**hardware, "quantisation": "none"}  # nothing can be added to weights of 4 bits
    policies = load_policies(load_base(snapshot, hardware), {MERGED: adapter}, model=model)
    logit_change(policies, MERGED, probes[0])
    with active(policies, MERGED):
        expected = logits_of(policies, probes)
    whole = policies.merge_and_unload(safe_merge=True, adapter_names=[MERGED])
    whole.save_pretrained(merged)
    del policies, whole
    found = logits_of(load_base(merged, hardware), probes)
    return check_same(expected, found, TOLERANCE[hardware["precision"]], str(merged))


@torch.no_grad()
def logits_of(model: PreTrainedModel, probes: Sequence[Sequence[int]]) -> list[Tensor]:
    """Return the logits of each prompt, (T, V), one prompt at a time."""
    return [model(torch.tensor([list(ids)], device=model.device)).logits[0].float().cpu() for ids in probes]


def check_same(expected: Sequence[Tensor], found: Sequence[Tensor], allowed: float, where: str) -> float:
    """Return the largest change of a logit as a share of the largest one; fail above ``allowed``."""
    changes = [(a - b).abs().max() / a.abs().max() for a, b in zip(expected, found, strict=True)]
    change = float(torch.stack(changes).max())  # NaN, if there is one
    if not change <= allowed:
        raise IntegrityError(
            f"{where}: expected the logits of base and adapter within {allowed:g}, found {change:.3g} off. "
            "Fix: merge in float32 (hardware.precision)."
        )
    return change
