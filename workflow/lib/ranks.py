"""One training in several processes, one per device: started, told to stop, and ended as one.

Snakemake starts one process. Where the hardware section asks for more, that one starts ``python -m
workflow.lib.ranks`` once per rank, hands signals on, and ends with the exit code of the rank that failed. On
several nodes of a SLURM job ``srun`` starts a leader on each, which does so for its own ranks. The ranks
find each other as PyTorch's do (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT). ``accelerate launch`` and
``torchrun`` are not used: their agent turns every exit code into 1 and keeps SIGUSR1 to itself.
"""

import base64
import importlib
import json
import os
import shutil
import signal
import socket
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

from workflow.lib.errors import DependencyError, error_of
from workflow.lib.logs import report

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
GRACE = 30.0  # seconds that the other ranks have to end once one has failed
LOOK_EVERY = 0.1  # seconds
ABANDONED = 1  # exit code of a rank whose launcher is gone
FAILED = "failed"  # key in the store by which the leader of a node tells the others


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


def local_rank() -> int:
    """Return the number of this process among those on its node, which is that of its device."""
    return int(os.environ["LOCAL_RANK"]) if within() else 0


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


def run(script: str, given: Mapping[str, Any], processes: int, nodes: int) -> None:
    """Run ``main`` of a training script in ``processes`` ranks, as many of them on each of ``nodes``.

    Args:
        script: Module of the script in ``workflow.scripts``.
        given: Arguments of its ``main``, all of them plain values.
        processes: How many ranks.
        nodes: One is this machine; several are those of the SLURM job that this process runs in.

    Raises:
        PlumblineError: A rank failed: its own kind of error, with its exit code.
    """
    host = HOST if nodes == 1 else socket.gethostname()
    store = TCPStore(host, 0, is_master=True, wait_for_workers=False)
    shared = {
        "MASTER_ADDR": host,
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes // nodes),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is here: no port is free between two calls
        **deepspeed_variables(given["hardware"]["deepspeed"]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    task = (script, json.dumps(given, default=list))
    if nodes == 1:
        code = _watch(_start_ranks(task, shared, 0))
    else:
        command = [*_on_each_node(nodes, given["threads"]), *_command("lead", task)]
        leaders = subprocess.Popen(command, env={**os.environ, **shared}, stdin=subprocess.PIPE)
        code = _watch([leaders])
    if code:
        raise error_of(code, f"a rank of the training ended with exit code {code}: its own line is above")


def _command(role: str, task: tuple[str, str]) -> list[str]:
    """Return the command of a process that takes part as ``rank`` or as ``lead``."""
    return [sys.executable, "-m", "workflow.lib.ranks", role, *task]


def _on_each_node(nodes: int, threads: int) -> list[str]:
    """Return the start of a command that runs once on every node of the job.

    ``srun`` hands signals on and ends with the highest exit code of its tasks: 1 says least.
    """
    if not shutil.which("srun") or "SLURM_JOB_ID" not in os.environ:
        raise DependencyError(
            f"hardware.nodes is {nodes}, but this is no SLURM job. Fix: set it to 1, or use one."
        )
    shape = [f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", f"--cpus-per-task={threads}"]
    # Leaders end when the others have: SLURM is neither to kill who saves nor to wait for what is over.
    return ["srun", *shape, "--overlap", "--cpu-bind=none", "--kill-on-bad-exit=0", "--wait=0"]


def _start_ranks(
    task: tuple[str, str], shared: Mapping[str, str], node: int
) -> list[subprocess.Popen[bytes]]:
    """Start the ranks of one node; those of the first have the lowest numbers."""
    count = int(shared["LOCAL_WORLD_SIZE"])
    return [
        subprocess.Popen(
            _command("rank", task),
            env={**os.environ, **shared, "RANK": str(node * count + local), "LOCAL_RANK": str(local)},
            stdin=subprocess.PIPE,  # says no word: it ends when this process does
            stdout=None if node == local == 0 else subprocess.DEVNULL,
        )
        for local in range(count)
    ]


def _watch(processes: Sequence[subprocess.Popen[bytes]], store: TCPStore | None = None) -> int:
    """Hand signals on to ``processes`` until they have ended, and return the code of the one to blame."""
    with _handing_on(processes):
        return _wait(processes, store)


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


def _wait(ranks: Sequence[subprocess.Popen[bytes]], store: TCPStore | None) -> int:
    """Return 0 once all ranks ended well, or the exit code of the one that is to blame.

    Args:
        ranks: Processes on this node.
        store: Where the leaders of other nodes tell of a rank that failed; ``None`` without such nodes.
    """
    deadline = float("inf")
    while any(process.poll() is None for process in ranks) and time.monotonic() < deadline:
        failed = any(process.returncode for process in ranks) or (store and store.check([FAILED]))
        if deadline == float("inf") and failed:
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
    sys.argv[0] = f"{script}.py"
    sys.excepthook = report
    importlib.import_module(f"workflow.scripts.{script}").main(**json.loads(given))


def _lead(script: str, given: str) -> None:
    """Start the ranks of this node, tell the leaders of the others when one fails, and end with its code."""
    store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
    ranks = _start_ranks((script, given), os.environ, int(os.environ["SLURM_NODEID"]))
    if code := _watch(ranks, store):
        store.set(FAILED, str(code))
    sys.exit(code)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_launcher, daemon=True).start()
    {"rank": _work, "lead": _lead}[sys.argv[1]](*sys.argv[2:])
