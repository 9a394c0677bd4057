"""What the hardware section of the config means to vLLM, and what adapters mean to an engine."""

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from workflow.lib.errors import IntegrityError
from workflow.lib.lora import Adapter

MIB = 1 << 20  # bytes
CPU_BATCH = 4096  # tokens in one step of the engine
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # of adapters, that vLLM 0.32 makes room for
SLOTS = 2  # for adapters; one stays empty: on a CPU a request without an adapter reads the last one
PROBED = 20  # likeliest tokens whose log-probabilities tell whether an adapter is applied
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine runs in this process: 3 s to start, not 20
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
# In spite of enforce_eager one function of the sampler is compiled: 12 s of a C++ compiler, if there is one.
ON_CPU = {"TORCH_COMPILE_DISABLE": "1"}


def engine_environment(hardware: Mapping[str, Any], cache: str | Path) -> dict[str, str]:
    """Return the variables that vLLM reads; ``cache`` is the folder where it may leave what it compiled."""
    own = ON_CPU if hardware["device"] == "cpu" else {}
    return {**ENVIRONMENT, **own, "VLLM_CACHE_ROOT": str(Path(cache).absolute())}


def engine_options(hardware: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of ``vllm.LLM`` that the hardware section of the config decides."""
    window = hardware["max_model_len"]
    common = {"dtype": hardware["precision"], "max_model_len": window, "disable_log_stats": True}
    if hardware["device"] != "cpu":
        return {
            **common,
            "gpu_memory_utilization": hardware["vllm_memory_fraction"],
            "tensor_parallel_size": hardware["vllm_tensor_parallel"],
        }
    return {
        **common,
        "kv_cache_memory_bytes": hardware["vllm_kv_cache_mib"] * MIB,
        "enforce_eager": True,  # compiling needs a C++ compiler and half a minute
        # vLLM 0.32 cannot rewind a CPU generator, so a seeded prompt must be prefilled in one piece
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(CPU_BATCH, window),
    }


def lora_options(*adapters: Adapter) -> dict[str, Any]:
    """Return the options of ``vllm.LLM`` that make room for one of ``adapters`` at a time.

    Layers that none of them changes are not touched.
    """
    if not adapters:
        return {}
    largest = max(adapters, key=lambda adapter: adapter.rank)
    room = next((rank for rank in RANKS if rank >= largest.rank), None)
    if room is None:
        raise IntegrityError(f"{largest.folder}: rank: expected {RANKS[-1]} or less, found {largest.rank}")
    return {
        "enable_lora": True,
        "max_loras": SLOTS,
        "max_lora_rank": room,
        "lora_target_modules": sorted({name for adapter in adapters for name in adapter.modules}),
    }


def logprob_change(llm: Any, prompt: Sequence[int], lora: Any) -> float:
    """Return the largest change of a log-probability after ``prompt`` that an adapter makes, nats.

    An engine tells the likeliest tokens only. One that is among them on one side alone counts as the last of
    them on the other, so that the change may be larger than what is returned.

    Args:
        llm: The engine, a ``vllm.LLM``.
        prompt: Tokens.
        lora: The adapter's ``LoRARequest``.

    Raises:
        IntegrityError: There is none, or it is not finite.
    """
    before, after = _following(llm, prompt, None), _following(llm, prompt, lora)
    last = min(before.values()), min(after.values())
    pairs = [(before.get(t, last[0]), after.get(t, last[1])) for t in before.keys() | after.keys()]
    change = max(abs(one - other) for one, other in pairs)
    whole = all(map(math.isfinite, after.values()))
    if not whole or (change == 0.0 and after.keys() == before.keys()):
        raise IntegrityError(
            f"{lora.lora_path}: expected other log-probabilities than the base's, all finite, "
            f"found a change of {change}. Fix: train it again; it answers like the base, or not at all."
        )
    return change


def _following(llm: Any, prompt: Sequence[int], lora: Any) -> dict[int, float]:
    """Return the log-probabilities of the likeliest tokens to follow ``prompt``, nats."""
    vllm = import_module("vllm")  # by name: whoever has an engine has it
    params = vllm.SamplingParams(temperature=0.0, max_tokens=1, logprobs=PROBED)
    asked = [vllm.TokensPrompt(prompt_token_ids=list(prompt))]
    (request,) = llm.generate(asked, params, use_tqdm=False, lora_request=lora)
    return {token: found.logprob for token, found in request.outputs[0].logprobs[0].items()}
