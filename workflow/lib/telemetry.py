"""What a training cost: time, tokens, memory, use of the device and, where it tells, energy."""

import resource
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psutil
import torch
from torch import Tensor

JOULES_PER_KWH = 3.6e6
MIB = 1 << 20
TERA = 1e12
# Dense FLOP/s by torch's name of the device and by number format, from NVIDIA's data sheets and, for the RTX
# 4090, the white paper of the Ada architecture; where those state a rate with sparsity, half of it. A part of
# a device (MIG) has another name, and no entry.
PEAK_FLOPS = {
    "NVIDIA H200": {"bfloat16": 989 * TERA, "float32": 67 * TERA},
    "NVIDIA H100 80GB HBM3": {"bfloat16": 989 * TERA, "float32": 67 * TERA},
    "NVIDIA H100 NVL": {"bfloat16": 835 * TERA, "float32": 60 * TERA},
    "NVIDIA H100 PCIe": {"bfloat16": 756 * TERA, "float32": 51 * TERA},
    "NVIDIA A100-SXM4-80GB": {"bfloat16": 312 * TERA, "float32": 19.5 * TERA},
    "NVIDIA A100-SXM4-40GB": {"bfloat16": 312 * TERA, "float32": 19.5 * TERA},
    "NVIDIA A100 80GB PCIe": {"bfloat16": 312 * TERA, "float32": 19.5 * TERA},
    "NVIDIA A100-PCIE-40GB": {"bfloat16": 312 * TERA, "float32": 19.5 * TERA},
    "NVIDIA L40S": {"bfloat16": 362 * TERA, "float32": 91.6 * TERA},
    "NVIDIA L4": {"bfloat16": 121 * TERA, "float32": 30.3 * TERA},
    "NVIDIA GeForce RTX 4090": {"bfloat16": 165.2 * TERA, "float32": 82.6 * TERA},
}


def energy_used() -> float | None:
    """Return the joules the visible GPUs have used since their driver was loaded, or ``None`` if untold."""
    if not torch.cuda.is_available():
        return None
    import pynvml  # only where there is a GPU

    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(torch.cuda.device_count())]
        millijoules = sum(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in handles)
        return float(millijoules) / 1000.0
    except pynvml.NVMLError:
        return None  # a driver or a device that does not count energy


def peak_gpu_mib() -> float:
    """Return the most memory that tensors took on any one visible GPU, 0 without one."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return max((torch.cuda.max_memory_allocated(i) / MIB for i in range(count)), default=0.0)


def peak_flops(hardware: Mapping[str, Any]) -> float | None:
    """Return the FLOP/s of the devices of all nodes together; ``None`` where one here is not in the table."""
    if hardware["device"] != "cuda":
        return None
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if not names or not all(name in PEAK_FLOPS for name in names):
        return None
    return sum(PEAK_FLOPS[name][hardware["precision"]] for name in names) * int(hardware["nodes"])


def flops_per_token(model: Any) -> float:
    """Return the floating-point operations that training takes per token: 4 N + 6 n.

    A pass forward takes 2 per weight, a pass backward twice that: 2 for the gradient of the activations and
    2 for that of the weight (Kaplan et al. 2020, arXiv 2001.08361, section 2.1). The N frozen weights need no
    gradient of their own; the n trained ones do: 6 n is full training, 4 N + 6 n LoRA. As in the definition
    of model FLOPs utilisation (Chowdhery et al. 2022, arXiv 2204.02311, appendix B), recomputed activations
    do not count. Not counted either: attention over the context, reference passes and sampling; so it is a
    lower bound, and a method that samples has a low utilisation by its nature. An input embedding is looked
    up, not multiplied, unless it is the output layer too. Of experts those count that a token meets.

    Args:
        model: PEFT's, or any other; LoRA matrices that are frozen, as those of a reference, do not count.
    """
    named = {name: weight for name, weight in model.named_parameters() if "original_module" not in name}
    experts = getattr(model.config.get_text_config(), "num_experts_per_tok", None)
    used = {name: weights_used(weight, experts) for name, weight in named.items()}
    trained = sum(used[name] for name, weight in named.items() if weight.requires_grad)
    frozen = sum(
        used[name] for name, weight in named.items() if not weight.requires_grad and ".lora_" not in name
    )
    inputs, outputs = model.get_input_embeddings().weight, model.get_output_embeddings()
    looked_up = 0 if outputs is not None and outputs.weight is inputs else weights_in(inputs)
    return 4.0 * (frozen - looked_up) + 6.0 * trained


def weights_used(parameter: Tensor, experts: int | None) -> float:
    """Return the number of weights that one token meets: of experts, which are stacked, so many of them."""
    shape = getattr(parameter, "ds_shape", parameter.shape)
    return weights_in(parameter) * (experts / shape[0] if experts and len(shape) == 3 else 1.0)


def weights_in(parameter: Tensor) -> int:
    """Return the number of weights; those of 4 bits lie two in a byte, DeepSpeed may divide them."""
    packed = getattr(parameter, "quant_state", None)
    return int(getattr(parameter, "ds_numel", parameter.numel()) if packed is None else packed.shape.numel())


class Meter:
    """Counts from the start of the process; ``training`` marks the part that is optimisation."""

    def __init__(self) -> None:
        """Note the process's start and the energy counter."""
        self._started = psutil.Process().create_time()
        self._energy = energy_used()
        self._training = 0.0

    @contextmanager
    def training(self) -> Iterator[None]:
        """Add the time that the block takes to the seconds of training."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._training += time.perf_counter() - begun

    def report(
        self, *, tokens: int, samples: int, flops: float, hardware: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the costs so far.

        Args:
            tokens: That the training passed through.
            samples: The same of rows or responses.
            flops: What ``flops_per_token`` gives for all of these.
            hardware: The config's hardware section.
        """
        ended = time.time()
        total = ended - self._started
        now = energy_used()
        here_alone = hardware["nodes"] == 1  # nobody reads the counters of other nodes
        joules = now - self._energy if here_alone and now is not None and self._energy is not None else None
        gpus = torch.cuda.device_count() * hardware["nodes"] if hardware["device"] == "cuda" else 0
        peak = peak_flops(hardware)
        return {
            "seconds_total": total,
            "seconds_training": self._training,
            "tokens": tokens,
            "tokens_per_second": tokens / max(self._training, 1e-9),
            "samples_per_second": samples / max(self._training, 1e-9),
            "mfu": None if peak is None else flops / max(self._training, 1e-9) / peak,
            "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "peak_gpu_mib": peak_gpu_mib(),
            "gpu_hours": gpus * total / 3600.0,
            "energy_kwh": None if joules is None else joules / JOULES_PER_KWH,
            "started": datetime.fromtimestamp(self._started, UTC).isoformat(timespec="seconds"),
            "ended": datetime.fromtimestamp(ended, UTC).isoformat(timespec="seconds"),
        }
