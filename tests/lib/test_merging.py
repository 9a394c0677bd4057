"""A merged model: one that answers as base and adapter did, on the disk and not only in memory."""

from pathlib import Path

import pytest
import torch

from tests.random_adapters import HARDWARE, write_adapter
from workflow.lib import merging
from workflow.lib.errors import IntegrityError
from workflow.lib.merging import check_same, logits_of, merge_into
from workflow.lib.models import load_base

PROBES = [[1, 30, 31, 2], [1, 40, 2]]


def test_change_is_a_share_of_the_largest_logit():
    before = [torch.tensor([[4.0, -8.0]]), torch.tensor([[1.0, 2.0]])]
    after = [torch.tensor([[4.4, -8.0]]), torch.tensor([[1.0, 2.2]])]
    assert check_same(before, after, 0.2, "x") == pytest.approx(0.1)  # 0.4 of 8 and 0.2 of 2
    with pytest.raises(IntegrityError, match=r"x: expected the logits .* within 0\.09, found 0\.1 off"):
        check_same(before, after, 0.09, "x")
    with pytest.raises(IntegrityError, match="found nan off"):
        check_same(before, [before[0], before[1] * float("nan")], 0.2, "x")


def test_merged_weights_are_base_plus_scaled_product(tiny_llama: Path, tmp_path: Path):
    from safetensors.torch import load_file

    adapter = write_adapter(tiny_llama, tmp_path / "a", seed=3)
    folder = tmp_path / "m"
    change = merge_into(str(tiny_llama), adapter, folder, model="tiny", hardware=HARDWARE, probes=PROBES)
    assert 0.0 <= change < 1e-5
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}
    before, after, lora = (
        load_file(path / name)
        for path, name in (
            (tiny_llama, "model.safetensors"),
            (folder, "model.safetensors"),
            (adapter, "adapter_model.safetensors"),
        )
    )
    assert after.keys() == before.keys()
    name = "model.layers.0.mlp.down_proj"
    a, b = (lora[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
    expected = before[f"{name}.weight"] + 8 / 4 * b @ a  # PEFT's alpha is 8, r is 4
    assert torch.allclose(after[f"{name}.weight"], expected, atol=1e-6)
    assert torch.equal(after["model.embed_tokens.weight"], before["model.embed_tokens.weight"])
    base = load_base(tiny_llama, HARDWARE)
    moved = [
        float((x - y).abs().max())
        for x, y in zip(logits_of(base, PROBES), logits_of(load_base(folder, HARDWARE), PROBES), strict=True)
    ]
    assert min(moved) > 0.01


def test_an_adapter_that_does_nothing_is_refused(tiny_llama: Path, tmp_path: Path):
    adapter = write_adapter(tiny_llama, tmp_path / "a", seed=3, scale=0.0)
    with pytest.raises(IntegrityError, match="expected other logits than the base's"):
        merge_into(str(tiny_llama), adapter, tmp_path / "m", model="tiny", hardware=HARDWARE, probes=PROBES)


def test_what_lies_on_the_disk_is_compared(tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    adapter = write_adapter(tiny_llama, tmp_path / "a", seed=3)
    once = iter([tiny_llama, tiny_llama])  # the second load, of what was merged, finds the base instead
    monkeypatch.setattr(merging, "load_base", lambda path, hardware: load_base(next(once), hardware))
    with pytest.raises(IntegrityError, match=r"expected the logits of base and adapter within 0\.0001"):
        merge_into(str(tiny_llama), adapter, tmp_path / "m", model="tiny", hardware=HARDWARE, probes=PROBES)
