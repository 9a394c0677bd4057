"""One base model in memory with many adapters on it, of which one at a time answers.

An adapter that is broken, made for another base or not applied would score exactly like the base
without any error from below; so what was loaded is compared with the file, and what it does is measured.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import PreTrainedModel

from workflow.lib.errors import IntegrityError, NumericalError
from workflow.lib.files import read_json
from workflow.lib.layers import lean
from workflow.lib.lora import SETTINGS, WEIGHTS


def load_policies(
    base: PreTrainedModel, adapters: Mapping[str, Path], *, model: str
) -> PreTrainedModel | PeftModel:
    """Return ``base`` with every adapter on it, under its name, none of them changed while loading.

    Args:
        base: The frozen base model.
        adapters: Folder of each adapter by name; a name is a plain word.
        model: Name of the base model, which every adapter must have been made for.
    """
    policies = base
    for name, folder in adapters.items():
        made_for = read_json(folder / SETTINGS)["base_model_name_or_path"]
        if made_for != model:
            raise IntegrityError(f"{folder}: adapter of model '{made_for}', expected one of '{model}'")
        try:
            if isinstance(policies, PeftModel):
                policies.load_adapter(folder, adapter_name=name)
            else:
                policies = PeftModel.from_pretrained(base, folder, adapter_name=name)
        except RuntimeError as error:
            raise IntegrityError(f"{folder}: does not fit the model '{model}': {error}") from error
        check_loaded(policies, name, folder)
    if isinstance(policies, PeftModel):
        lean(policies)
    return policies.eval()


def check_loaded(policies: PeftModel, name: str, folder: Path) -> None:
    """Fail unless the adapter in memory has exactly the tensors of its file, all of them finite."""
    stored = load_file(folder / WEIGHTS)
    held = get_peft_model_state_dict(policies, adapter_name=name, save_embedding_layers=False)
    astray = sorted(set(stored) ^ set(held))
    if astray or not stored:
        raise IntegrityError(f"{folder / WEIGHTS}: {len(astray)} tensors astray, first {astray[:1]}")
    for key, tensor in stored.items():
        if not torch.isfinite(tensor).all():
            raise IntegrityError(f"{folder / WEIGHTS}: tensor '{key}' is not finite")
        if not torch.equal(tensor.to(held[key]), held[key]):
            raise IntegrityError(f"{folder / WEIGHTS}: tensor '{key}' differs from what was loaded")


@contextmanager
def active(policies: PreTrainedModel | PeftModel, name: str | None) -> Iterator[None]:
    """Let the adapter ``name`` answer within the block, or the bare base for ``None``."""
    if name is not None:
        policies.set_adapter(name)
        yield
    elif isinstance(policies, PeftModel):
        with policies.disable_adapter():
            yield
    else:
        yield


def logit_change(policies: PeftModel, name: str, ids: Sequence[int]) -> float:
    """Return the largest change of a logit that the adapter ``name`` makes on the prompt ``ids``.

    Raises:
        IntegrityError: There is none: the adapter does nothing, or is not applied.
        NumericalError: It is not finite.
    """
    prompt = torch.tensor([list(ids)], device=policies.device)
    with torch.no_grad():
        with active(policies, None):
            before = policies(prompt).logits
        with active(policies, name):
            after = policies(prompt).logits
    change = float((after - before).abs().max())
    if not math.isfinite(change):
        raise NumericalError(f"adapter '{name}': a logit is not finite. Fix: lower the learning rate.")
    if change == 0.0:
        raise IntegrityError(
            f"adapter '{name}': expected other logits than the base's, found a change of {change}. "
            "Fix: train it again; it would score exactly like the base."
        )
    return change
