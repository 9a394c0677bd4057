"""Adapters on one base: each answers in its turn, and one that is broken is refused by name."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.random_adapters import HARDWARE, write_adapter
from workflow.lib.errors import IntegrityError, NumericalError
from workflow.lib.models import load_base
from workflow.lib.policies import active, load_policies, logit_change

PROMPT = [1, 70, 80, 90, 2]


@pytest.fixture
def adapters(tmp_path: Path, tiny_llama: Path) -> dict[str, Path]:
    return {name: write_adapter(tiny_llama, tmp_path / name, seed) for seed, name in enumerate(("p0", "p1"))}


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(torch.tensor([PROMPT])).logits
    return found


def test_each_policy_answers_as_if_loaded_alone(adapters: dict[str, Path], tiny_llama: Path) -> None:
    base = logits(load_base(tiny_llama, HARDWARE))
    alone = {}
    for name, folder in adapters.items():
        model = load_policies(load_base(tiny_llama, HARDWARE), {name: folder}, model="tiny")
        with active(model, name):
            alone[name] = logits(model)
    both = load_policies(load_base(tiny_llama, HARDWARE), adapters, model="tiny")
    for name in ("p1", "p0", None, "p1", None):
        with active(both, name):
            torch.testing.assert_close(logits(both), base if name is None else alone[name], rtol=0, atol=0)
    assert not torch.equal(alone["p0"], alone["p1"])


def test_without_adapters_the_base_answers(tiny_llama: Path) -> None:
    base = load_base(tiny_llama, HARDWARE)
    policies = load_policies(base, {}, model="tiny")
    with active(policies, None):
        assert policies is base


def test_change_of_logits_is_the_largest_difference(adapters: dict[str, Path], tiny_llama: Path) -> None:
    model = load_policies(load_base(tiny_llama, HARDWARE), adapters, model="tiny")
    with active(model, None):
        before = logits(model)
    with active(model, "p1"):
        after = logits(model)
    assert logit_change(model, "p1", PROMPT) == pytest.approx(float((after - before).abs().max()))


def test_an_adapter_without_effect_is_refused(tmp_path: Path, tiny_llama: Path) -> None:
    folder = write_adapter(tiny_llama, tmp_path / "idle", 3, scale=0.0)
    model = load_policies(load_base(tiny_llama, HARDWARE), {"p0": folder}, model="tiny")
    with pytest.raises(IntegrityError, match=r"found a change of 0\.0"):
        logit_change(model, "p0", PROMPT)


def test_an_adapter_that_throws_the_model_out_of_range_is_told_apart(
    tmp_path: Path, tiny_llama: Path
) -> None:
    folder = write_adapter(tiny_llama, tmp_path / "far", 3, scale=1e30)  # finite itself, its products are not
    model = load_policies(load_base(tiny_llama, HARDWARE), {"p0": folder}, model="tiny")
    with pytest.raises(NumericalError, match="adapter 'p0': a logit is not finite"):
        logit_change(model, "p0", PROMPT)


def test_an_adapter_of_another_model_is_refused(adapters: dict[str, Path], tiny_llama: Path) -> None:
    with pytest.raises(IntegrityError, match="adapter of model 'tiny', expected one of 'large'"):
        load_policies(load_base(tiny_llama, HARDWARE), adapters, model="large")


def test_an_adapter_that_misses_a_tensor_is_refused(adapters: dict[str, Path], tiny_llama: Path) -> None:
    path = adapters["p1"] / "adapter_model.safetensors"
    tensors = load_file(path)
    lost = sorted(tensors)[0]
    save_file({key: tensor for key, tensor in tensors.items() if key != lost}, path)
    with pytest.raises(
        IntegrityError, match=rf"p1/adapter_model.safetensors: 1 tensors astray, first \['{lost}'\]"
    ):
        load_policies(load_base(tiny_llama, HARDWARE), adapters, model="tiny")


def test_an_adapter_that_is_not_finite_is_refused(adapters: dict[str, Path], tiny_llama: Path) -> None:
    path = adapters["p0"] / "adapter_model.safetensors"
    tensors = load_file(path)
    spoilt = sorted(tensors)[2]
    tensors[spoilt][0, 0] = float("nan")
    save_file(tensors, path)
    with pytest.raises(IntegrityError, match=f"tensor '{spoilt}' is not finite"):
        load_policies(load_base(tiny_llama, HARDWARE), adapters, model="tiny")


def test_an_adapter_of_another_shape_is_refused(
    adapters: dict[str, Path], tiny_llama: Path, tmp_path: Path
) -> None:
    shutil.copytree(adapters["p0"], tmp_path / "wide")
    path = tmp_path / "wide/adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"r": 6}))
    with pytest.raises(IntegrityError, match="wide: does not fit the model 'tiny'"):
        load_policies(load_base(tiny_llama, HARDWARE), {"p0": tmp_path / "wide"}, model="tiny")
