"""One training in several processes, one per device: started, told to stop, and ended as one.

Snakemake starts one process. Where the hardware section asks for more, that one starts ``python -m
workflow.lib.ranks`` once per rank, hands signals on, and ends with the exit code of the rank that failed. The
ranks find each other as PyTorch's do (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT). ``accelerate launch`` and
``torchrun`` are not used: their agent turns every exit code into 1 and keeps SIGUSR1 to itself.
"""

import base64
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch._C._distributed_c10d import TCPStore

from workflow.lib.errors import error_of
from workflow.lib.logs import report

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
GRACE = 30.0  # seconds that the other ranks have to end once one has failed
LOOK_EVERY = 0.1  # seconds
ABANDONED = 1  # exit code of a rank whose launcher is gone


ZERO = {
    "zero2": {"stage": 2},
    "zero3": {"stage": 3},
    "zero3_offload": {
        "stage": 3,
        "offload_optimizer": {"device": "cpu", "pin_memory": True},
        "offload_param": {"device": "cpu", "pin_memory": True},
    },
}
AUTO = (
    "train_batch_size",
    "train_micro_batch_size_per_gpu",
    "gradient_accumulation_steps",
    "gradient_clipping",
)


def deepspeed_config(kind: str) -> dict[str, Any]:
    """Return DeepSpeed's configuration; what is "auto" comes from the trainer's arguments."""
    return {"zero_optimization": ZERO[kind], "bf16": {"enabled": "auto"}, **dict.fromkeys(AUTO, "auto")}


def deepspeed_variables(kind: str) -> dict[str, str]:
    """Return how accelerate is told of DeepSpeed: as by ``accelerate launch``, which works on a CPU too."""
    if kind == "none":
        return {}
    config = base64.urlsafe_b64encode(json.dumps(deepspeed_config(kind)).encode()).decode()
    return {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_CONFIG_FILE": config}


def rank() -> int:
    """Return the number of this process among those of the training, 0 where it is alone."""
    return int(os.environ["RANK"]) if within() else 0


def within() -> bool:
    """Return whether this process was started as one of several."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def barrier() -> None:
    """Wait until every rank is here; do nothing where there is only one."""
    if distributed.is_initialized():
        distributed.barrier()


@contextmanager
def first_alone() -> Iterator[None]:
    """Let rank 0 go through the block before the others."""
    if rank() > 0:
        barrier()
    yield
    if rank() == 0:
        barrier()


def any_of(flags: Sequence[bool]) -> list[bool]:
    """Return, for each of ``flags``, whether it is set on any rank: all ranks then do the same."""
    if not distributed.is_initialized():
        return list(flags)
    told = torch.tensor(flags, dtype=torch.int32, device="cuda" if torch.cuda.is_available() else "cpu")
    distributed.all_reduce(told, op=distributed.ReduceOp.MAX)
    return [bool(flag) for flag in told.tolist()]


def run(script: str, given: Mapping[str, Any], processes: int) -> None:
    """Run ``main`` of a training script in ``processes`` ranks on this machine.

    Args:
        script: Module of the script in ``workflow.scripts``.
        given: Arguments of its ``main``, all of them plain values.
        processes: How many ranks.

    Raises:
        PlumblineError: A rank failed: its own kind of error, with its exit code.
    """
    store = TCPStore(HOST, 0, is_master=True, wait_for_workers=False)
    shared = {
        "MASTER_ADDR": HOST,
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is here: no port is free between two calls
        **deepspeed_variables(given["hardware"]["deepspeed"]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    command = [sys.executable, "-m", "workflow.lib.ranks", script, json.dumps(given, default=list)]
    ranks = [
        subprocess.Popen(
            command,
            env={**os.environ, **shared, "RANK": str(number), "LOCAL_RANK": str(number)},
            stdin=subprocess.PIPE,  # says no word: it ends when this process does
            stdout=None if number == 0 else subprocess.DEVNULL,
        )
        for number in range(processes)
    ]
    with _handing_on(ranks):
        code = _wait(ranks)
    if code:
        raise error_of(code, f"a rank of the training ended with exit code {code}: its own line is above")


@contextmanager
def _handing_on(ranks: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Hand SIGTERM and SIGUSR1 on to ``ranks`` within the block."""

    def hand_on(number: int, frame: object) -> None:
        for process in ranks:
            process.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, listener in before.items():
            signal.signal(number, listener)


def _wait(ranks: Sequence[subprocess.Popen[bytes]]) -> int:
    """Return 0 once all ranks ended well, or the exit code of the one that is to blame."""
    deadline = float("inf")
    while any(process.poll() is None for process in ranks) and time.monotonic() < deadline:
        if deadline == float("inf") and any(process.returncode for process in ranks):
            deadline = time.monotonic() + GRACE
        time.sleep(LOOK_EVERY)
    ended = [process.poll() for process in ranks]
    for process in ranks:
        process.kill()  # does nothing to one that has ended
        process.wait()
    return blame(ended)


def blame(ended: Sequence[int | None]) -> int:
    """Return the exit code that says what happened: a rank's own, else of a signal, else 1.

    Args:
        ended: Exit code of each rank as ``subprocess`` gives it; ``None`` for one that had to be killed.
            A rank that loses another one ends with 1, so 1 says least.
    """
    failed = [(code == 1, code < 0, number, code) for number, code in enumerate(ended) if code]
    if not failed:
        return 0
    _, by_signal, number, code = min(failed)
    if by_signal:
        print(f"ERROR rank {number} was ended by signal {-code}", file=sys.stderr, flush=True)
    return 128 - code if by_signal else code


def _end_with_the_launcher() -> None:
    """End this process when the one that started it is gone: nobody would hear of its end."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(ABANDONED)


def _work(script: str, given: str) -> None:
    """Be one rank: run ``main`` of ``script`` with the arguments ``given`` as JSON."""
    threading.Thread(target=_end_with_the_launcher, daemon=True).start()
    sys.argv[0] = f"{script}.py"
    sys.excepthook = report
    importlib.import_module(f"workflow.scripts.{script}").main(**json.loads(given))


if __name__ == "__main__":
    _work(*sys.argv[1:])
