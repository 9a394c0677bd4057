"""LoRA adapters as files in PEFT's layout: what they were made for, and whether they fit it.

Where an adapter has modules that the base lacks, vLLM leaves them out without a word; so the headers of both
are compared. That the values do something is measured where they are loaded.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow.lib.errors import IntegrityError
from workflow.lib.files import digest_of, read_json, sha256
from workflow.lib.manifests import shapes_of

WEIGHTS = "adapter_model.safetensors"
SETTINGS = "adapter_config.json"
MATRIX = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
TAIL = re.compile(r"[^.]+\.\d+\..+")  # layers.0.self_attn.q_proj: what loaders leave of a module's name

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter that fits its base."""

    folder: Path
    rank: int  # the largest that its settings or its matrices name
    modules: list[str]  # last part of the names of the linear layers that it changes, sorted
    digest: str  # of both files


def read_adapter(files: Sequence[str], manifest: str | Path, snapshot: str | Path) -> Adapter | None:
    """Return the adapter in ``files`` after comparing it with its base; ``None`` where there are no files.

    Args:
        files: ``[safetensors, config]`` of the adapter, in one folder and under PEFT's names; or nothing.
        manifest: Of the base model.
        snapshot: Folder of the base model.

    Raises:
        IntegrityError: It was made for another base, or is something else than LoRA on linear layers.
    """
    if not files:
        return None
    folder = Path(files[0]).parent
    check_base(folder, read_json(manifest))
    layers = layers_of(folder / WEIGHTS, shapes_of(folder / WEIGHTS))
    turned = bool(read_json(folder / SETTINGS).get("fan_in_fan_out"))
    fits(folder / WEIGHTS, layers, Path(snapshot).glob("*.safetensors"), turned=turned)
    digest = digest_of({name: sha256(folder / name) for name in (WEIGHTS, SETTINGS)})
    modules = sorted({name.rpartition(".")[2] for name in layers})
    rank = max([read_json(folder / SETTINGS)["r"], *(a[0] for a, _ in layers.values())])
    return Adapter(folder, rank, modules, digest)


def check_base(folder: Path, about: Mapping[str, Any]) -> None:
    """Fail unless the adapter in ``folder`` says that it was made for the base of the manifest ``about``."""
    settings = read_json(folder / SETTINGS)
    names = [str(about[key]) for key in ("model", "repo", "path") if about.get(key)]
    found = settings.get("base_model_name_or_path")
    if settings.get("peft_type") != "LORA" or found not in names:
        raise IntegrityError(
            f"{folder / SETTINGS}: expected a LORA adapter of {' or '.join(map(repr, names))}, found "
            f"{settings.get('peft_type')} of {found!r}. Fix: name the model that it was made for."
        )


def layers_of(path: Path, shapes: Mapping[str, Shape]) -> dict[str, tuple[Shape, Shape]]:
    """Return the shapes of A and B by the linear layer that they change.

    Args:
        path: File of the adapter, for messages.
        shapes: Shape of each of its tensors, by name.
    """
    sides: dict[str, dict[str, Shape]] = {}
    for name, shape in sorted(shapes.items()):
        found = MATRIX.fullmatch(name)
        if not found or len(shape) != 2:
            raise IntegrityError(
                f"{path}: expected LoRA matrices of linear layers, found '{name}' of shape {shape}. "
                "Fix: a reward model, DoRA or an embedding cannot be sampled from; name another adapter."
            )
        sides.setdefault(found[1], {})[found[2]] = shape
    halves = [name for name, pair in sides.items() if set(pair) != {"A", "B"}]
    if halves or not sides:
        raise IntegrityError(f"{path}: expected A and B of every layer, found one of {halves[:3] or 'none'}")
    return {name: (pair["A"], pair["B"]) for name, pair in sides.items()}


def fits(
    path: Path, layers: Mapping[str, tuple[Shape, Shape]], weights: Iterable[Path], *, turned: bool
) -> None:
    """Fail unless every layer is in the base and has the sizes that A (r, in) and B (out, r) expect.

    Args:
        path: File of the adapter, for messages.
        layers: Shapes of A and B by layer.
        weights: Files of the base.
        turned: Whether the base keeps its layers as (in, out), as GPT-2 does.
    """
    known: dict[str, set[Shape]] = {}
    for file in weights:
        for name, shape in shapes_of(file).items():
            known.setdefault(tail(name.removesuffix(".weight")), set()).add(shape)
    for name, (a, b) in layers.items():
        size = (a[1], b[0]) if turned else (b[0], a[1])
        places = known.get(tail(name), set())
        if a[0] != b[1] or size not in places:
            raise IntegrityError(
                f"{path}: layer '{name}': A {a} and B {b} do not fit the base, which has "
                f"{sorted(places) or 'no such layer'} there. Fix: name the model that it was made for."
            )


def tail(module: str) -> str:
    """Return a module's name from the list of layers on; loaders disagree about what stands before it."""
    found = TAIL.search(module)
    return found[0] if found else module
