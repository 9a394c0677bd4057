"""What the hardware section of the config means to vLLM, for whoever starts an engine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

MIB = 1 << 20  # bytes
CPU_BATCH = 4096  # tokens in one step of the engine
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # of adapters, that vLLM 0.32 makes room for
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
