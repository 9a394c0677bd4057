"""LoRA adapters: new ones, continued ones, and the gates that one passes before it is kept."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedModel
from transformers.integrations import is_deepspeed_zero3_enabled

from workflow.lib.errors import IntegrityError, NumericalError
from workflow.lib.files import copy_file, write_text
from workflow.lib.lora import SETTINGS, WEIGHTS

LEAST_BYTES = 1024
TRAINED = "default"  # PEFT's name for the adapter in training


def lora_config(lora: Mapping[str, Any], task: str) -> LoraConfig:
    """Return PEFT's configuration for the config's ``lora`` section; ``task`` is PEFT's task type."""
    return LoraConfig(
        r=lora["r"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules=lora["target_modules"],
        use_rslora=lora["rank_stabilised"],
        use_dora=lora["dora"],
        task_type=task,
    )


def attach(
    base: PreTrainedModel, lora: Mapping[str, Any], start: Sequence[str], *, task: str, seed: int
) -> PeftModel:
    """Return ``base`` with one trainable adapter: a new one, or a copy of the adapter ``start``.

    Args:
        base: A frozen model; the adapter goes into it in place.
        lora: The config's ``lora`` section.
        start: ``[safetensors, config]`` of the adapter to continue; empty for a new one.
        task: PEFT's task type: CAUSAL_LM, or SEQ_CLS for a scorer, whose head is trained and saved too.
        seed: Of a new adapter's weights; the global generator is left as it was.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = get_peft_model(base, lora_config(lora, task))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()  # PEFT leaves a new head as rough as the base
    if hasattr(base, "is_loaded_in_4bit"):
        base.is_loaded_in_4bit = False  # PEFT has seen it; TRL would round the adapter to bfloat16
    if start:
        tensors = read_tensors(start[0])
        check_learnt(tensors, start[0])
        place(tensors, model, start[0], TRAINED)
    return model


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of the safetensors file at ``path``.

    Raises:
        IntegrityError: It is of another format, cut off, empty, or holds a number that is not finite.
    """
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise IntegrityError(
            f"{path}: expected a whole safetensors file: {error}. Fix: train it again."
        ) from error
    if not tensors:
        raise IntegrityError(f"{path}: expected tensors, found none. Fix: train it again.")
    for name, tensor in sorted(tensors.items()):
        if not torch.isfinite(tensor).all():
            raise IntegrityError(f"{path}: tensor {name} is not finite. Fix: train it again.")
    return tensors


def check_learnt(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Fail if the adapter from ``path`` does nothing: each of its ``lora_B`` is zero."""
    if not any(tensor.any() for name, tensor in tensors.items() if "lora_B" in name):
        raise IntegrityError(f"{path}: every lora_B is zero: it does nothing. Fix: train it again.")


def load_weights(model: PeftModel, path: str | Path, adapter: str) -> dict[str, Tensor]:
    """Put the tensors of the file at ``path`` into ``adapter``; see ``place``."""
    return place(read_tensors(path), model, path, adapter)


def place(
    tensors: Mapping[str, Tensor], model: PeftModel, path: str | Path, adapter: str
) -> dict[str, Tensor]:
    """Put ``tensors``, read from ``path``, into ``adapter``; return those that have no place in it.

    Raises:
        IntegrityError: The LoRA tensors are not exactly those of the adapter, or a shape differs.
    """
    places = tensors_of(model, adapter)
    odd = sorted(name for name in tensors.keys() ^ places.keys() if ".lora_" in name)
    if odd:
        raise IntegrityError(f"{path}: {len(odd)} tensors do not fit the model, as {odd[0]}")
    for name in sorted(tensors.keys() & places.keys()):
        expected, found = places[name].shape, tensors[name].shape
        if expected != found:
            raise IntegrityError(f"{path}: tensor {name}: expected shape {expected}, found {found}")
        with torch.no_grad():
            places[name].copy_(tensors[name])
    return {name: tensor for name, tensor in tensors.items() if name not in places}


def tensors_of(model: PeftModel, adapter: str) -> dict[str, Tensor]:
    """Return the parameters of ``adapter`` by the names under which they are saved."""
    owned = {name: tensor for name, tensor in model.named_parameters() if f".{adapter}." in name}
    # how PEFT shortens them: of DoRA's magnitudes the word "weight" goes too
    short = {f".modules_to_save.{adapter}.": ".", f"_magnitude_vector.{adapter}.weight": "_magnitude_vector"}
    for long, brief in {**short, f".{adapter}.": "."}.items():
        owned = {name.replace(long, brief): tensor for name, tensor in owned.items()}
    return owned


def undivided(model: PeftModel) -> AbstractContextManager[Any]:
    """Return a block in which every rank has all of the adapter, also where ZeRO-3 divided it."""
    if not is_deepspeed_zero3_enabled():
        return nullcontext()
    from deepspeed import zero  # seconds of import, for those only who asked for it

    gathered: AbstractContextManager[Any] = zero.GatheredParameters(
        [parameter for parameter in model.parameters() if parameter.requires_grad]
    )
    return gathered


def check_tensors(tensors: Mapping[str, Tensor], expected: set[str], before: Mapping[str, Tensor]) -> None:
    """Fail unless the saved ``tensors`` are the expected ones, finite, and not those of the start.

    Args:
        tensors: Read back from the saved file.
        expected: Names that must be there, and no others.
        before: Tensors of the adapter it started from; empty for a new one, whose ``lora_B`` were zero.
    """
    if tensors.keys() != expected:
        odd = sorted(tensors.keys() ^ expected)
        raise IntegrityError(
            f"adapter: expected {len(expected)} tensors, found {len(tensors)}: {odd[:3]} differ"
        )
    for name, tensor in sorted(tensors.items()):
        if not torch.isfinite(tensor).all():
            raise NumericalError(f"adapter: tensor {name} is not finite. Fix: lower the learning rate.")
    zero = {name: torch.zeros_like(tensor) for name, tensor in tensors.items() if "lora_B" in name}
    starts = {name: before[name] if before else zero[name] for name in zero}
    if all(torch.equal(tensors[name], start) for name, start in starts.items()):
        raise NumericalError("adapter: no lora_B moved: nothing was learnt. Fix: raise the learning rate.")


def save_adapter(model: PeftModel, folder: Path, scratch: Path, name: str, start: Sequence[str]) -> None:
    """Write the trained adapter of ``model`` into ``folder``, after ``check_tensors``.

    Args:
        model: With the adapter ``TRAINED``; any others are not saved.
        folder: Gets ``adapter_model.safetensors`` and ``adapter_config.json``.
        scratch: Folder for what PEFT writes before it is checked.
        name: The base model's name, written instead of the path that it was loaded from.
        start: The adapter it started from, as for ``attach``.
    """
    model.save_pretrained(scratch, selected_adapters=[TRAINED])
    before = load_file(start[0]) if start else {}
    check_tensors(load_file(scratch / WEIGHTS), set(tensors_of(model, TRAINED)), before)
    if (scratch / WEIGHTS).stat().st_size < LEAST_BYTES:
        raise IntegrityError(f"adapter: expected {LEAST_BYTES} bytes or more: it holds next to nothing.")
    config = json.loads((scratch / SETTINGS).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = name
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    copy_file(scratch / WEIGHTS, folder / WEIGHTS)
    write_text(folder / SETTINGS, json.dumps(config, indent=2, sort_keys=True) + "\n")
