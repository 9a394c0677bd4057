"""What a training cost: time, tokens, memory and, where the device tells, energy."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psutil
import torch

JOULES_PER_KWH = 3.6e6
MIB = 1 << 20


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

    def report(self, *, tokens: int, samples: int, device: str) -> dict[str, Any]:
        """Return the costs so far; ``tokens`` and ``samples`` are what the training passed through."""
        ended = time.time()
        total = ended - self._started
        now = energy_used()
        joules = None if now is None or self._energy is None else now - self._energy
        gpus = torch.cuda.device_count() if device == "cuda" else 0
        return {
            "seconds_total": total,
            "seconds_training": self._training,
            "tokens": tokens,
            "tokens_per_second": tokens / max(self._training, 1e-9),
            "samples_per_second": samples / max(self._training, 1e-9),
            "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "peak_gpu_mib": peak_gpu_mib(),
            "gpu_hours": gpus * total / 3600.0,
            "energy_kwh": None if joules is None else joules / JOULES_PER_KWH,
            "started": datetime.fromtimestamp(self._started, UTC).isoformat(timespec="seconds"),
            "ended": datetime.fromtimestamp(ended, UTC).isoformat(timespec="seconds"),
        }
