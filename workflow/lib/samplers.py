"""Who draws the policy's responses: the model itself with its cache, or a vLLM engine beside it.

vLLM gets the policy's adapter as a file before each update, and gives back tokens alone: log-probabilities,
entropy and values come from our own pass over the finished rows, so that the ratio of new to old
probabilities starts at 1 whatever number format the engine computes in.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from workflow.lib.adapters import TRAINED
from workflow.lib.engines import RANKS, engine_environment, engine_options
from workflow.lib.errors import DependencyError
from workflow.lib.packing import pack
from workflow.lib.rewards import Special
from workflow.lib.rollouts import Crew, Sampled


@dataclass(frozen=True)
class Draw:
    """How one batch is drawn."""

    longest: int  # tokens after which a response is cut
    temperature: float
    special: Special
    seed: int
    update: int


class Sampler(Protocol):
    """Draws one response per prompt."""

    def sample(self, prompts: Sequence[list[int]], head: torch.nn.Module, draw: Draw) -> Sampled:
        """Return the responses, with what policy and head say of them."""


def generator_of(*key: int, device: str | torch.device = "cpu") -> torch.Generator:
    """Return a generator seeded by ``key``: other keys, other streams."""
    return torch.Generator(device).manual_seed(seeds_of(*key, count=1)[0])


def seeds_of(*key: int, count: int) -> list[int]:
    """Return ``count`` seeds that depend on ``key`` alone."""
    return [int(seed) for seed in np.random.SeedSequence(key).generate_state(count, np.uint64)]


class CacheSampler:
    """The policy itself, with keys and values cached."""

    def __init__(
        self, crew: Crew, snapshot: str, lora: Mapping[str, Any], hardware: Mapping[str, Any], work: Path
    ) -> None:
        """Draw from ``crew``'s policy."""
        self._crew = crew

    def sample(self, prompts: Sequence[list[int]], head: torch.nn.Module, draw: Draw) -> Sampled:
        """Return the responses, with what policy and head said while they were drawn."""
        return self._crew.sample(
            prompts,
            head,
            longest=draw.longest,
            temperature=draw.temperature,
            eos=draw.special.eos,
            pad=draw.special.pad,
            generator=generator_of(draw.seed, 1, draw.update, device=self._crew.base.device),
        )


class VllmSampler:
    """A vLLM engine that holds the base and gets the policy's adapter anew for each update."""

    def __init__(
        self, crew: Crew, snapshot: str, lora: Mapping[str, Any], hardware: Mapping[str, Any], work: Path
    ) -> None:
        """Start the engine.

        Args:
            crew: Its policy is drawn from.
            snapshot: Folder of the base model.
            lora: The config's ``lora`` section.
            hardware: The config's hardware section; ``rollout_memory_fraction`` is the engine's share.
            work: Folder for the adapter that is handed over.

        Raises:
            DependencyError: vLLM, or the GPU that the hardware section names, is not there.
        """
        os.environ.update(engine_environment(hardware, "work/vllm"))
        os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
        try:
            self._vllm = import_module("vllm")  # by name: not part of the environment of training
        except ImportError as error:
            raise DependencyError(
                f"hardware.rollouts is vllm, which does not import here ({error}). "
                "Fix: install it, or set hardware.rollouts to transformers."
            ) from error
        self._crew, self._folder, self._micro = crew, work / "rollouts", hardware["micro_batch"]
        options = engine_options({**hardware, "vllm_memory_fraction": hardware["rollout_memory_fraction"]})
        self._llm = self._vllm.LLM(
            model=str(snapshot),
            **{key: value for key, value in options.items() if key != "tensor_parallel_size"},
            enable_lora=True,
            max_loras=1,
            max_lora_rank=next(rank for rank in RANKS if rank >= lora["r"]),
        )

    def sample(self, prompts: Sequence[list[int]], head: torch.nn.Module, draw: Draw) -> Sampled:
        """Return the responses, with what policy and head say of them in a pass of our own."""
        responses = self._responses(prompts, draw)
        told = []
        for i in range(0, len(prompts), self._micro):
            part = slice(i, i + self._micro)
            packed = pack(prompts[part], responses[part], draw.special.pad)
            told.append(self._crew.recall(packed, head, draw.temperature))
        logps, entropy, values = (torch.cat(numbers) for numbers in zip(*told, strict=True))
        return Sampled(responses, logps, entropy, values)

    def _responses(self, prompts: Sequence[list[int]], draw: Draw) -> list[list[int]]:
        """Hand the adapter over, under a name of its own: vLLM caches keys and values by that name."""
        request = import_module("vllm.lora.request").LoRARequest
        folder = self._folder / f"update-{draw.update + 1}"
        self._crew.model.save_pretrained(folder, selected_adapters=[TRAINED])
        params = [
            self._vllm.SamplingParams(
                temperature=draw.temperature,
                max_tokens=draw.longest,
                stop_token_ids=[draw.special.eos],
                seed=seed % 2**31,
                detokenize=False,
            )
            for seed in seeds_of(draw.seed, 1, draw.update, count=len(prompts))
        ]
        outputs = self._llm.generate(
            [self._vllm.TokensPrompt(prompt_token_ids=ids) for ids in prompts],
            params,
            use_tqdm=False,
            lora_request=request(folder.name, draw.update + 1, str(folder.absolute())),
        )
        shutil.rmtree(folder)
        return [list(output.outputs[0].token_ids) for output in outputs]


SAMPLERS: dict[str, type[CacheSampler] | type[VllmSampler]] = {
    "transformers": CacheSampler,
    "vllm": VllmSampler,
}
