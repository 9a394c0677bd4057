"""An adapter is compared with the base that it is put on, by names and shapes alone."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.random_adapters import write_adapter
from workflow.lib.errors import IntegrityError
from workflow.lib.files import digest_of, sha256, write_json
from workflow.lib.lora import SETTINGS, WEIGHTS, Adapter, read_adapter, tail

LINEAR = ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
FIRST = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.fixture
def folder(tmp_path: Path, tiny_llama: Path) -> Path:
    """Return the folder of an adapter of the model "tiny", beside the model's manifest."""
    write_json(tmp_path / "manifest.json", {"model": "tiny", "repo": None, "path": "in/a/folder"})
    return write_adapter(tiny_llama, tmp_path / "adapter", 1)


def found(folder: Path, snapshot: Path) -> Adapter | None:
    return read_adapter(
        [str(folder / WEIGHTS), str(folder / SETTINGS)], folder.parent / "manifest.json", snapshot
    )


def change(folder: Path, **settings: object) -> None:
    path = folder / SETTINGS
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def test_an_adapter_that_fits_is_described(folder: Path, tiny_llama: Path) -> None:
    digest = digest_of({name: sha256(folder / name) for name in (WEIGHTS, SETTINGS)})
    assert found(folder, tiny_llama) == Adapter(folder, 4, LINEAR, digest)
    change(folder, r=6)  # vLLM makes room for the rank that the settings name
    again = found(folder, tiny_llama)
    assert again and again.rank == 6 and again.digest != digest


def test_no_files_are_no_adapter() -> None:
    assert read_adapter([], "no manifest", "no snapshot") is None


@pytest.mark.parametrize("name", ["tiny", "in/a/folder"])
def test_the_base_may_be_named_as_in_the_study_or_where_it_came_from(
    folder: Path, tiny_llama: Path, name: str
) -> None:
    change(folder, base_model_name_or_path=name)
    assert found(folder, tiny_llama)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"base_model_name_or_path": "other"}, "of 'tiny' or 'in/a/folder', found LORA of 'other'"),
        ({"base_model_name_or_path": None}, "found LORA of None"),
        ({"peft_type": "IA3"}, "found IA3 of 'tiny'"),
    ],
)
def test_an_adapter_of_another_base_or_kind_is_refused(
    folder: Path, tiny_llama: Path, settings: dict[str, object], said: str
) -> None:
    change(folder, **settings)
    with pytest.raises(IntegrityError, match=said):
        found(folder, tiny_llama)


def rewritten(folder: Path, tensors: dict[str, torch.Tensor]) -> Path:
    copy = shutil.copytree(folder, folder.parent / "changed")
    save_file(tensors, copy / WEIGHTS)
    return copy


def test_a_layer_that_the_base_lacks_is_refused(folder: Path, tiny_llama: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    deeper = {key.replace("layers.1.", "layers.2."): tensor for key, tensor in tensors.items()}
    with pytest.raises(IntegrityError, match=r"layers\.2\.\S+': A .* which has no such layer there"):
        found(rewritten(folder, deeper), tiny_llama)


@pytest.mark.parametrize(("side", "shape"), [("A", (4, 32)), ("B", (32, 4)), ("B", (64, 3))])
def test_matrices_of_other_sizes_are_refused(
    folder: Path, tiny_llama: Path, side: str, shape: tuple[int, int]
) -> None:
    tensors = load_file(folder / WEIGHTS)
    assert tensors[f"{FIRST}.lora_{side}.weight"].shape != shape
    tensors[f"{FIRST}.lora_{side}.weight"] = torch.ones(shape)
    with pytest.raises(
        IntegrityError, match=r"self_attn\.q_proj': A .* do not fit the base, which has \[\(64, 64\)\]"
    ):
        found(rewritten(folder, tensors), tiny_llama)


def test_half_a_layer_and_no_layer_are_refused(folder: Path, tiny_llama: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors[f"{FIRST}.lora_A.weight"]
    with pytest.raises(
        IntegrityError, match=r"expected A and B of every layer, found one of \['model\.layers\.0"
    ):
        found(rewritten(folder, tensors), tiny_llama)
    shutil.rmtree(folder.parent / "changed")
    with pytest.raises(IntegrityError, match="found one of none"):
        found(rewritten(folder, {}), tiny_llama)


def test_a_reward_model_is_refused(tmp_path: Path, tiny_llama: Path, folder: Path) -> None:
    reward = write_adapter(tiny_llama, tmp_path / "reward", 1, reward=True)
    with pytest.raises(
        IntegrityError, match=r"found 'base_model\.model\.score\S*' of shape \(1, 64\)\. Fix: a reward"
    ):
        found(reward, tiny_llama)


def test_a_file_that_is_cut_off_or_another_is_refused(folder: Path, tiny_llama: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    for content, said in (
        (whole[:-1], f"expected {len(whole)} bytes, found {len(whole) - 1}"),
        (whole[:100], "another header"),
        (b"", "another header"),
        (b"version https://git-lfs.github.com/spec/v1", "another header"),
    ):
        (folder / WEIGHTS).unlink()
        (folder / WEIGHTS).write_bytes(content)
        with pytest.raises(IntegrityError, match=said):
            found(folder, tiny_llama)


def test_layers_are_known_by_the_end_of_their_names() -> None:
    assert tail("language_model.model.layers.3.mlp.up_proj") == tail("model.layers.3.mlp.up_proj")
    assert tail("transformer.h.0.attn.c_attn") == "h.0.attn.c_attn"
    assert tail("lm_head") == "lm_head"


def test_a_tensor_that_is_no_matrix_is_refused(folder: Path, tiny_llama: Path) -> None:
    tensors = {**load_file(folder / WEIGHTS), f"{FIRST}.lora_A.weight": torch.ones(4)}
    with pytest.raises(
        IntegrityError, match=r"found '\S+q_proj\.lora_A\.weight' of shape \(4,\)\. Fix: a reward"
    ):
        found(rewritten(folder, tensors), tiny_llama)
