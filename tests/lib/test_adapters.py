"""Adapters: the gates before one is kept, and where a new one's weights come from."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, tensor

from tests.training import HARDWARE, LORA
from workflow.lib.adapters import attach, check_tensors, save_adapter, tensors_of
from workflow.lib.errors import IntegrityError, NumericalError
from workflow.lib.files import read_json
from workflow.lib.models import load_base

A, B = "layer.lora_A.weight", "layer.lora_B.weight"
GOOD = {A: tensor([1.0, 2.0]), B: tensor([0.0, 0.5])}


@pytest.mark.parametrize(
    ("tensors", "before", "error", "message"),
    [
        ({A: GOOD[A]}, {}, IntegrityError, "expected 2 tensors, found 1"),
        ({**GOOD, "more": GOOD[A]}, {}, IntegrityError, "expected 2 tensors, found 3"),
        ({**GOOD, A: tensor([1.0, float("inf")])}, {}, NumericalError, "layer.lora_A.weight is not finite"),
        ({**GOOD, B: tensor([0.0, 0.0])}, {}, NumericalError, "nothing was learnt"),
        (GOOD, GOOD, NumericalError, "nothing was learnt"),
    ],
    ids=["missing", "extra", "infinite", "zero", "unmoved"],
)
def test_gates(tensors: dict[str, Tensor], before: dict[str, Tensor], error: type[Exception], message: str):
    check_tensors(GOOD, set(GOOD), {})
    check_tensors(GOOD, set(GOOD), {A: GOOD[A], B: tensor([0.0, 0.4])})
    with pytest.raises(error, match=message):
        check_tensors(tensors, set(GOOD), before)


def test_a_new_adapter_comes_from_its_seed_and_leaves_the_global_generator(tiny_llama: Path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (
        tensors_of(attach(load_base(tiny_llama, HARDWARE), LORA, [], task="CAUSAL_LM", seed=seed), "default")
        for seed in (1, 1, 2)
    )
    torch.testing.assert_close(torch.rand(1), expected)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_all_linear_means_all_but_the_head(tiny_llama: Path):
    model = attach(load_base(tiny_llama, HARDWARE), LORA, [], task="CAUSAL_LM", seed=1)
    # 2 layers × (q, k, v, o, gate, up, down) × (A, B)
    assert len(tensors_of(model, "default")) == 2 * 7 * 2
    assert not any("lm_head" in name for name in tensors_of(model, "default"))


@pytest.mark.parametrize("change", [{"rank_stabilised": True}, {"dora": True}], ids=["rsLoRA", "DoRA"])
def test_kinds_of_adapters_are_saved_and_continued(
    change: dict[str, bool], tiny_llama: Path, tmp_path: Path
) -> None:
    """Of rsLoRA the scale is alpha / √r: 8 / 2, not 8 / 4. DoRA has one more tensor for each layer."""
    lora = {**LORA, **change}
    model = attach(load_base(tiny_llama, HARDWARE), lora, [], task="CAUSAL_LM", seed=1)
    tensors = tensors_of(model, "default")
    (scale,) = {
        m.scaling["default"] for m in model.modules() if isinstance(getattr(m, "scaling", None), dict)
    }
    assert scale == (4.0 if lora["rank_stabilised"] else 2.0)
    assert len(tensors) == 2 * 7 * (3 if lora["dora"] else 2)
    for name, parameter in tensors.items():
        if "lora_A" not in name:
            torch.nn.init.constant_(parameter, 0.5)
    save_adapter(model, tmp_path / "kept", tmp_path / "scratch", "tiny", [])
    files = [str(tmp_path / "kept" / name) for name in ("adapter_model.safetensors", "adapter_config.json")]
    other = attach(load_base(tiny_llama, HARDWARE), lora, files, task="CAUSAL_LM", seed=2)
    again = tensors_of(other, "default")
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())


def test_named_modules_alone_get_an_adapter(tiny_llama: Path) -> None:
    lora = {**LORA, "target_modules": ["q_proj", "v_proj"]}
    model = attach(load_base(tiny_llama, HARDWARE), lora, [], task="CAUSAL_LM", seed=1)
    assert {name.split(".")[-3] for name in tensors_of(model, "default")} == {"q_proj", "v_proj"}


def test_a_file_that_holds_next_to_nothing_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    lora = {**LORA, "r": 1, "target_modules": ["layers.0.self_attn.q_proj"]}
    model = attach(load_base(tiny_llama, HARDWARE), lora, [], task="CAUSAL_LM", seed=1)
    for parameter in tensors_of(model, "default").values():
        parameter.data = torch.ones_like(parameter, dtype=torch.bfloat16)
    with pytest.raises(IntegrityError, match="expected 1024 bytes or more"):
        save_adapter(model, tmp_path / "kept", tmp_path / "scratch", "tiny", [])


def test_saving_names_the_model_and_no_path(tiny_llama: Path, tmp_path: Path):
    model = attach(load_base(tiny_llama, HARDWARE), LORA, [], task="CAUSAL_LM", seed=1)
    with pytest.raises(NumericalError, match="nothing was learnt"):
        save_adapter(model, tmp_path / "kept", tmp_path / "scratch", "tiny", [])
    for name, parameter in tensors_of(model, "default").items():
        if "lora_B" in name:
            torch.nn.init.ones_(parameter)
    model.add_adapter("other", model.peft_config["default"])
    save_adapter(model, tmp_path / "kept", tmp_path / "scratch", "tiny", [])
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert kept == ["adapter_config.json", "adapter_model.safetensors"]
    config = read_json(tmp_path / "kept" / "adapter_config.json")
    assert config["base_model_name_or_path"] == "tiny"
    assert config["target_modules"] == sorted(config["target_modules"])
    assert str(tiny_llama) not in (tmp_path / "kept" / "adapter_config.json").read_text()
