"""What a benchmark tells of the machine, of its libraries and of its own process."""

import os
import platform
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path


def headline(device: str, packages: Sequence[str] = ("torch", "transformers", "trl", "peft")) -> str:
    """Return date, machine and versions."""
    told = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.split(": ")[1] for line in told if line.startswith("model name"))
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"{date.today()}, {os.cpu_count()} cores of {next(names, platform.machine())}, {device}, {versions}"
    )


def peak_mib() -> float:
    """Return the most memory that this process had, MiB; ``getrusage`` counts its parent's when it forked."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024
