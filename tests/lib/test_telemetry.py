"""Telemetry: rates from the training's seconds, totals from the process's, nulls where nothing is known."""

import time
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from tests.families import tiny
from workflow.lib.telemetry import (
    PEAK_FLOPS,
    Meter,
    energy_used,
    flops_per_token,
    peak_flops,
    peak_gpu_mib,
    weights_in,
)

CPU = {"device": "cpu", "precision": "float32", "nodes": 1}


def test_report():
    meter = Meter()
    with meter.training():
        time.sleep(0.05)
    costs = meter.report(tokens=1000, samples=10, flops=1.0, hardware=CPU)
    assert 0.05 <= costs["seconds_training"] < costs["seconds_total"]
    assert costs["tokens_per_second"] == pytest.approx(1000 / costs["seconds_training"])
    assert costs["samples_per_second"] == pytest.approx(10 / costs["seconds_training"])
    assert costs["peak_rss_mib"] > 50
    assert costs["gpu_hours"] == 0.0
    assert costs["started"] <= costs["ended"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU tells its energy")
def test_without_a_gpu_nothing_is_made_up():
    assert energy_used() is None
    assert peak_gpu_mib() == 0.0
    costs = Meter().report(tokens=1, samples=1, flops=1.0, hardware=CPU)
    assert costs["energy_kwh"] is None and costs["mfu"] is None


def test_seconds_count_even_when_the_block_fails():
    meter = Meter()
    with pytest.raises(ValueError), meter.training():
        time.sleep(0.02)
        raise ValueError
    assert meter.report(tokens=1, samples=1, flops=1.0, hardware=CPU)["seconds_training"] >= 0.02


def small(tied: bool) -> LlamaForCausalLM:
    """Return a Llama with 10 tokens, width 4, inner width 6, one layer, all sizes small enough to count."""
    config = LlamaConfig(
        vocab_size=10,
        hidden_size=4,
        intermediate_size=6,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        tie_word_embeddings=tied,
    )
    return LlamaForCausalLM(config)


# Four attention matrices of 4 x 4, three of 4 x 6, three norms of 4. Embedding and output layer: 40 each.
LAYERS, TABLE = 4 * 16 + 3 * 24 + 3 * 4, 40


@pytest.mark.parametrize("tied", [True, False])
def test_flops_of_full_training(tied: bool):
    """A tied table is multiplied once, as the output layer; one that is not tied is looked up."""
    weights = LAYERS + (TABLE if tied else 2 * TABLE)
    assert flops_per_token(small(tied)) == 6 * weights - (0 if tied else 4 * TABLE)


@pytest.mark.parametrize("tied", [True, False])
def test_flops_of_lora(tied: bool):
    model = get_peft_model(small(tied), LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    model.add_adapter("ref", model.peft_config["default"])  # frozen: at work only in reference passes
    lora = 2 * 4 + 4 * 2  # A is 2 x 4, B is 4 x 2
    assert flops_per_token(model) == 4 * (LAYERS + TABLE) + 6 * lora


def test_flops_of_experts_are_those_that_a_token_takes():
    """Mixtral, each layer: attention of 32 x 32 and 2 (16 x 32), a router of 4 x 32, two norms of 32.

    And 4 experts with 96 x 32 and 32 x 48 weights, of which a token takes 2. Outside: a norm, 2 tables.
    """
    model = tiny("mixtral")
    layer = 2 * 32 * 32 + 2 * 16 * 32 + 4 * 32 + 2 * 32 + 2 * (96 * 32 + 32 * 48)
    assert flops_per_token(model) == 6 * (2 * layer + 32 + 2 * 128 * 32) - 4 * 128 * 32
    for parameter in model.parameters():
        parameter.requires_grad = False
    assert flops_per_token(model) == 4 * (2 * layer + 32 + 128 * 32)


def test_weights_of_four_bits_are_counted_whole():
    packed = torch.zeros(32, 1)
    packed.quant_state = SimpleNamespace(shape=torch.Size([8, 8]))
    assert (weights_in(packed), weights_in(torch.zeros(3, 5))) == (64, 15)


def test_use_of_the_device(monkeypatch: pytest.MonkeyPatch):
    """Two H200 in bfloat16: 2 x 989 TFLOP/s; a tenth of that for 2 s is 395.6 TFLOP."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)  # for energy and memory
    meter = Meter()
    meter._training = 2.0
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda i: "NVIDIA H200")
    cuda = {"device": "cuda", "precision": "bfloat16", "nodes": 1}
    costs = meter.report(tokens=1, samples=1, flops=395.6e12, hardware=cuda)
    assert costs["mfu"] == pytest.approx(0.1)
    assert costs["gpu_hours"] == pytest.approx(2 * costs["seconds_total"] / 3600)
    twice = meter.report(tokens=1, samples=1, flops=395.6e12, hardware={**cuda, "nodes": 2})
    assert twice["mfu"] == pytest.approx(0.05) and twice["energy_kwh"] is None
    assert twice["gpu_hours"] == pytest.approx(4 * twice["seconds_total"] / 3600)
    assert peak_flops(cuda) == 1978e12 and peak_flops({**cuda, "precision": "float32"}) == 134e12
    assert peak_flops({**cuda, "device": "cpu"}) is None
    monkeypatch.setattr("torch.cuda.get_device_name", lambda i: ["NVIDIA H200", "NVIDIA H200 MIG 1g.18gb"][i])
    assert peak_flops(cuda) is None


def test_every_peak_is_known_in_both_formats():
    assert all(set(peaks) == {"bfloat16", "float32"} for peaks in PEAK_FLOPS.values())
    assert all(peaks["bfloat16"] > peaks["float32"] > 1e13 for peaks in PEAK_FLOPS.values())
