"""Telemetry: rates from the training's seconds, totals from the process's, nulls where nothing is known."""

import time

import pytest
import torch

from workflow.lib.telemetry import Meter, energy_used, peak_gpu_mib


def test_report():
    meter = Meter()
    with meter.training():
        time.sleep(0.05)
    costs = meter.report(tokens=1000, samples=10, device="cpu")
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
    assert Meter().report(tokens=1, samples=1, device="cpu")["energy_kwh"] is None


def test_seconds_count_even_when_the_block_fails():
    meter = Meter()
    with pytest.raises(ValueError), meter.training():
        time.sleep(0.02)
        raise ValueError
    assert meter.report(tokens=1, samples=1, device="cpu")["seconds_training"] >= 0.02
