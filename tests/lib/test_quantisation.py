"""QLoRA: frozen weights in 4 bits, adapters in float32, for every method; on a CPU the code of a GPU."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.faults.test_training import METHODS, REWARDED
from tests.training import HARDWARE, LORA, REWARD, SFT, digests, job, parent, write_rows
from workflow.lib.adapters import attach
from workflow.lib.errors import DependencyError
from workflow.lib.models import load_base, load_scorer
from workflow.lib.parquet import rows_of
from workflow.lib.records import Pair, Prompt, SftRow
from workflow.scripts import (
    train_dpo,
    train_grpo,
    train_kto,
    train_orpo,
    train_ppo,
    train_reward,
    train_rloo,
    train_sft,
    train_simpo,
)

FOUR_BITS = {**HARDWARE, "precision": "bfloat16", "quantisation": "nf4"}
MAINS = {
    "sft": train_sft.main,
    "reward": train_reward.main,
    "dpo": train_dpo.main,
    "orpo": train_orpo.main,
    "ppo": train_ppo.main,
    "kto": train_kto.main,
    "simpo": train_simpo.main,
    "grpo": train_grpo.main,
    "rloo": train_rloo.main,
}


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Path:
    """Return a folder with rows, an SFT adapter and a reward model, all trained on 4-bit weights."""
    home = tmp_path_factory.mktemp("parents")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        write_rows(home, Prompt)
        rows = write_rows(home, SftRow)
        train_sft.main(**job(home / "sft", tiny_llama, "sft", SFT, rows, hardware=FOUR_BITS))
        rows = write_rows(home, Pair)
        train_reward.main(**job(home / "reward", tiny_llama, "reward", REWARD, rows, hardware=FOUR_BITS))
    return home


def given(method: str, parents: Path, folder: Path, model: Path, **change: Any) -> dict[str, Any]:
    settings, kind, start = METHODS[method]
    return job(
        folder,
        model,
        method,
        {**settings, **change},
        str(parents / f"{kind.__name__}.parquet"),
        start=parent(parents / start) if start else (),
        reward=parent(parents / "reward") if method in REWARDED else (),
        hardware=FOUR_BITS,
    )


def test_weights_are_in_four_bits_and_the_rest_is_not(tiny_llama: Path) -> None:
    import bitsandbytes

    model = load_base(tiny_llama, FOUR_BITS)
    layers = [module for module in model.modules() if isinstance(module, bitsandbytes.nn.Linear4bit)]
    assert len(layers) == 2 * 7  # q, k, v, o, gate, up, down of two layers
    for layer in layers:
        assert layer.weight.quant_state.quant_type == "nf4"
        assert layer.weight.quant_state.nested  # the constants are quantised too
        assert layer.compute_dtype == torch.bfloat16
        assert layer.weight.numel() * 2 == layer.in_features * layer.out_features  # two weights per byte
    assert not isinstance(model.lm_head, bitsandbytes.nn.Linear4bit)
    assert not model.training


def test_four_bits_are_the_weights_rounded_to_sixteen_levels(tiny_llama: Path) -> None:
    """The widest gap between NF4's levels is that from -1 to -0.696: no weight is off by more than its half.

    A block is 64 weights long; with Gaussian weights the root of the mean square error is a tenth of theirs.
    """
    from bitsandbytes.functional import dequantize_4bit

    for name in ("q_proj", "v_proj", "o_proj"):
        near, whole = (load_base(tiny_llama, h).model.layers[1].self_attn for h in (FOUR_BITS, HARDWARE))
        layer, weight = getattr(near, name), getattr(whole, name).weight
        error = dequantize_4bit(layer.weight.data, layer.weight.quant_state).float() - weight
        largest = weight.reshape(-1, 64).abs().amax(dim=1, keepdim=True)
        assert (error.reshape(-1, 64).abs() <= 0.16 * largest).all()
        assert 0.05 < float(error.square().mean().sqrt() / weight.square().mean().sqrt()) < 0.13


def test_a_scorer_has_its_head_from_the_seed_and_not_in_four_bits(tiny_llama: Path) -> None:
    heads = [load_scorer(tiny_llama, FOUR_BITS, pad=0, seed=seed).score for seed in (1, 1, 2)]
    assert all(type(head) is torch.nn.Linear for head in heads)
    assert torch.equal(heads[0].weight, heads[1].weight)
    assert not torch.equal(heads[0].weight, heads[2].weight)


def test_adapters_stay_in_float32(tiny_llama: Path) -> None:
    """TRL would round them to bfloat16, and with them the adapter that a training goes on from."""
    model = attach(load_base(tiny_llama, FOUR_BITS), LORA, [], task="CAUSAL_LM", seed=1)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert len(trained) == 2 * 7 * 2
    assert {parameter.dtype for parameter in trained} == {torch.float32}
    assert "Linear4bit" in {type(module).__name__ for module in model.modules() if hasattr(module, "lora_A")}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_on_four_bits(
    method: str, parents: Path, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        MAINS[method](**given(method, parents, tmp_path / name, tiny_llama))
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    tensors = load_file(tmp_path / "a" / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    # more than bfloat16 can hold: nothing rounded them on the way
    assert any(not torch.equal(tensor, tensor.bfloat16().float()) for tensor in tensors.values())


def test_dpo_starts_where_its_reference_is(
    parents: Path, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train_dpo.main(**given("dpo", parents, tmp_path / "a", tiny_llama, nll_weight=0.0))
    losses = [row["value"] for row in rows_of(tmp_path / "a" / "curves.parquet") if row["quantity"] == "loss"]
    assert losses[0] == pytest.approx(math.log(2.0), abs=1e-6)


def test_ppo_starts_where_its_reference_is(
    parents: Path, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train_ppo.main(**given("ppo", parents, tmp_path / "a", tiny_llama, learning_rate=1e-9))
    rows = rows_of(tmp_path / "a" / "curves.parquet")
    assert max(row["value"] for row in rows if row["quantity"] == "kl") < 0.05


def test_without_the_package_it_says_what_to_do(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow.lib.models.is_bitsandbytes_available", lambda: False)
    with pytest.raises(DependencyError, match=r"hardware\.quantisation is nf4, but the package bitsandbytes"):
        load_base(tiny_llama, FOUR_BITS)
