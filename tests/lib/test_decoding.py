"""Greedy decoding that lets rows leave, against transformers' own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.random_adapters import HARDWARE
from tests.tiny_gpt2 import write_tiny_gpt2
from workflow.lib.decoding import can_shrink, greedy, roomy_cache
from workflow.lib.models import load_base

LONGEST = 40  # tokens of prompt and answer


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gpt2(tmp_path_factory.mktemp("tiny-gpt2"))


@pytest.fixture(params=["tiny_llama", "tiny_gpt2"])
def model(request: pytest.FixtureRequest) -> Any:
    return load_base(request.getfixturevalue(request.param), HARDWARE)


def prompts(*lengths: int) -> tuple[Tensor, Tensor]:
    """Return prompts of these lengths, packed to the left, and their mask, each (B, P)."""
    drawn = torch.Generator().manual_seed(3)
    width = max(lengths)
    ids = torch.randint(5, 90, (len(lengths), width), generator=drawn)
    seen = torch.arange(width) >= width - torch.tensor(lengths)[:, None]
    return ids.masked_fill(~seen, 0), seen.long()


def answered(model: Any, ids: Tensor, seen: Tensor | None, ends: list[int], **options: Any) -> Tensor:
    """Return prompts and greedy answers, (B, T)."""
    model.generation_config.eos_token_id = ends
    told: Tensor = model.generate(
        input_ids=ids, attention_mask=seen, do_sample=False, max_length=LONGEST, pad_token_id=0, **options
    )
    return told


def rows_computed(model: Any, run: Callable[[], Tensor]) -> list[int]:
    """Return the rows of each pass of ``model`` while ``run`` runs."""
    seen: list[int] = []
    handle = model.register_forward_pre_hook(
        lambda _, __, named: seen.append(len(named["input_ids"])), with_kwargs=True
    )
    run()
    handle.remove()
    return seen


def ends_in_between(model: Any, ids: Tensor, seen: Tensor) -> list[int]:
    """Return tokens that end some answers early and others late, or never."""
    free = answered(model, ids, seen, [0])[:, ids.shape[1] :]
    return [0, int(free[0, 1]), int(free[1, 6]), int(free[2, 12])]


def test_tokens_are_those_of_transformers(model: Any) -> None:
    ids, seen = prompts(9, 4, 9, 1, 6, 8, 3, 7, 2, 5)
    ends = ends_in_between(model, ids, seen)
    told = answered(model, ids, seen, ends)
    assert torch.equal(told, answered(model, ids, seen, ends, custom_generate=greedy))
    lengths = (told[:, ids.shape[1] :] != 0).sum(1)
    assert len(set(lengths.tolist())) > 2  # or nothing left early


def test_rows_that_have_ended_are_computed_no_more(model: Any) -> None:
    ids, seen = prompts(9, 4, 9, 1, 6, 8, 3, 7, 2, 5)
    ends = ends_in_between(model, ids, seen)
    passes = rows_computed(model, lambda: answered(model, ids, seen, ends, custom_generate=greedy))
    told = answered(model, ids, seen, ends)
    stops = torch.isin(told[:, ids.shape[1] :], torch.tensor(ends)).long()
    lasts = torch.where(stops.any(1), stops.argmax(1) + 1, told.shape[1] - ids.shape[1])
    going = [int((lasts > step).sum()) for step in range(len(passes))]
    assert passes[0] == len(ids) > passes[-1]
    # One of ten rows may stay after its end only while at least seven eighths go on.
    assert all(some >= rows * 7 / 8 or some == rows for rows, some in zip(passes, going, strict=True))


def test_an_unpadded_batch_needs_no_mask(model: Any) -> None:
    ids, seen = prompts(6, 6, 6)
    told = [answered(model, ids, mask, [0], custom_generate=greedy) for mask in (seen, None)]
    assert torch.equal(*told)


def test_what_a_model_does_to_its_logits_is_done(model: Any) -> None:
    ids, seen = prompts(9, 4, 7, 2)
    more = {"repetition_penalty": 1.8}
    told = answered(model, ids, seen, [0], **more)
    assert torch.equal(told, answered(model, ids, seen, [0], **more, custom_generate=greedy))
    assert not torch.equal(told, answered(model, ids, seen, [0]))


def test_which_models_it_serves(model: Any) -> None:
    model.generation_config.eos_token_id = [7, 8]
    assert can_shrink(model, 8)
    assert not can_shrink(model, 0)  # the tokenizer's end would be missed
    model.generation_config.eos_token_id = 7
    assert can_shrink(model, 7)
    type(model)._is_stateful, kept = True, type(model)._is_stateful
    try:
        assert not can_shrink(model, 7)
    finally:
        type(model)._is_stateful = kept


def test_a_cache_with_room_lets_rows_go(tiny_llama: Path) -> None:
    cache = roomy_cache(load_base(tiny_llama, HARDWARE).config, room=5)
    keys, values = torch.rand(3, 2, 2, 4), torch.rand(3, 2, 2, 4)
    cache.update(keys, values, 0)
    cache.layers[0].batch_select_indices(torch.tensor([0, 2]))
    more = torch.rand(2, 2, 1, 4)
    seen, _ = cache.update(more, more, 0)
    assert torch.equal(seen, torch.cat([keys[[0, 2]], more], dim=2))
