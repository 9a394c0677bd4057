"""Samplers: what vLLM draws is the policy's own, by the adapter of this update, in our log-probabilities."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny_llama import vllm_in_this_process
from tests.training import HARDWARE, LORA
from workflow.lib.errors import DependencyError
from workflow.lib.models import load_base
from workflow.lib.packing import pack
from workflow.lib.rewards import Special
from workflow.lib.rollouts import Crew
from workflow.lib.samplers import SAMPLERS, CacheSampler, Draw, VllmSampler, generator_of, seeds_of

SPECIAL = Special(eos=0, pad=0, tail=[])
PROMPTS = [[1, 40 + i, *[70] * i, 0, 2] for i in range(6)]
VLLM = {**HARDWARE, "rollouts": "vllm", "vllm_kv_cache_mib": 64, "max_model_len": 64}
VLLM |= {"vllm_memory_fraction": 0.0, "rollout_memory_fraction": 0.0}


def test_every_key_has_a_stream_of_its_own():
    keys = [(1, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 0)]
    drawn = [torch.randint(2**40, (1,), generator=generator_of(*key)).item() for key in keys]
    assert len(set(drawn)) == 4
    assert torch.equal(torch.rand(3, generator=generator_of(5)), torch.rand(3, generator=generator_of(5)))
    assert seeds_of(1, 2, count=3)[0] == generator_of(1, 2).initial_seed()


def test_the_cache_sampler_draws_by_seed_and_update(tiny_llama: Path):
    crew = Crew(load_base(tiny_llama, HARDWARE), LORA, [], seed=1)
    head = torch.nn.Linear(crew.base.config.hidden_size, 1)
    sampler = SAMPLERS["transformers"](crew, str(tiny_llama), LORA, HARDWARE, Path())
    assert isinstance(sampler, CacheSampler)

    def drawn(seed: int, update: int) -> list[list[int]]:
        return sampler.sample(PROMPTS, head, Draw(8, 1.0, SPECIAL, seed, update)).responses

    assert drawn(1, 0) == drawn(1, 0)
    assert len({str(drawn(*key)) for key in ((1, 0), (1, 1), (2, 0))}) == 3


def test_without_vllm_the_key_is_named(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    crew = Crew(load_base(tiny_llama, HARDWARE), LORA, [], seed=1)
    with pytest.raises(
        DependencyError, match=r"hardware\.rollouts is vllm.* set hardware\.rollouts to transf"
    ):
        VllmSampler(crew, str(tiny_llama), LORA, VLLM, Path())


@pytest.fixture(scope="module")
def engine(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Crew, Any]]:
    """Return a policy on the tiny model and a vLLM engine beside it."""
    folder = tmp_path_factory.mktemp("engine")
    with vllm_in_this_process(), pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        crew = Crew(load_base(tiny_llama, HARDWARE), LORA, [], seed=1)
        yield crew, VllmSampler(crew, str(tiny_llama), LORA, VLLM, folder)


def change(crew: Crew, seed: int) -> None:
    """Give the policy another, far from the base."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in crew.parameters("default"):
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))


def test_vllm_draws_from_the_policy_of_this_update(engine: tuple[Crew, Any]):
    """At a low temperature its tokens are nearly certain under this policy, and unlikely under the others."""
    crew, sampler = engine
    head = torch.nn.Linear(crew.base.config.hidden_size, 1)
    drawn = []
    for update in range(3):
        change(crew, update)
        drawn.append(sampler.sample(PROMPTS, head, Draw(12, 0.05, SPECIAL, 1, update)))
        assert not list(sampler._folder.iterdir())  # what was handed over is gone
    for update in range(3):
        change(crew, update)
        for other, sampled in enumerate(drawn):
            logps, _, values = crew.recall(pack(PROMPTS, sampled.responses, 0), head, 0.05)
            if other == update:
                torch.testing.assert_close(logps, sampled.logps)
                torch.testing.assert_close(values, sampled.values)
                assert logps.mean() > -0.5
            else:
                assert logps.mean() < -5.0


def test_vllm_gets_seeds_and_gives_tokens_only(engine: tuple[Crew, Any]):
    crew, sampler = engine
    change(crew, 9)
    head = torch.nn.Linear(crew.base.config.hidden_size, 1)
    first, again, other = (sampler.sample(PROMPTS, head, Draw(12, 1.0, SPECIAL, 1, u)) for u in (5, 5, 6))
    assert first.responses == again.responses != other.responses
    assert all(len(r) <= 12 and 0 not in r[:-1] for r in first.responses)
    assert all(len(r) == 12 or r[-1] == 0 for r in first.responses)  # EOS is there where it came in time
    assert len(first.logps) == sum(map(len, first.responses))
    # the mean of -log π over many tokens is near the mean entropy: they were drawn from this policy
    many = sampler.sample(PROMPTS * 40, head, Draw(12, 1.0, SPECIAL, 1, 7))
    spread = float((-many.logps - many.entropy).std()) / len(many.logps) ** 0.5
    assert abs(float((-many.logps - many.entropy).mean())) < 4 * spread
