"""Training jobs in processes of their own that are made to fail: killed, told to stop, short of memory.

A forked server has everything imported, so that a victim starts in a moment; what it does from there on is
what Snakemake's job does: it captures its log, runs ``main`` of the script, and ends with an exit code.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SPAWN = get_context("forkserver")
PASSES = (("transformers", "Trainer", "training_step"), ("workflow.lib.ppo", "Ppo", "_accumulate"))
POINTS = {
    "step": (("transformers", "Trainer", "training_step"), ("workflow.lib.ppo", "Ppo", "step")),
    "seal": (("workflow.lib", "trainers", "seal"), ("workflow.lib", "ppo", "seal")),
    "keep": (("workflow.lib", "training", "copy_file"),),  # the adapter is written, the rest is not
}


def serve() -> None:
    """Start the server; from the repository, or it would not find what to import."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)
    try:
        SPAWN.set_forkserver_preload(
            ["tests.victims", "trl.trainer.sft_trainer", "workflow.scripts.train_dpo"]
        )
        forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


def run(given: Mapping[str, Any], log: Path, *, every: float = 1e9, **fault: Any) -> int:
    """Run a training in a process of its own; return its exit code, below 0 where a signal ended it.

    Args:
        given: Arguments of the script's ``main``.
        log: Where the job's log goes.
        every: Seconds between checkpoints.
        fault: What goes wrong: arguments of ``arm``.
    """
    process = SPAWN.Process(target=_job, args=(given, str(log), str(Path.cwd()), every, fault))
    process.start()
    process.join(300)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode


def _job(given: dict[str, Any], log: str, folder: str, every: float, fault: dict[str, Any]) -> None:
    from workflow.lib import ppo, trainers
    from workflow.lib.logs import capture

    os.chdir(folder)
    trainers.CHECKPOINT_EVERY = ppo.CHECKPOINT_EVERY = every  # type: ignore[attr-defined]
    script = f"train_{given['method'].partition('-')[0]}"
    sys.argv[0] = f"{script}.py"
    capture(log)
    arm(**fault)
    try:
        importlib.import_module(f"workflow.scripts.{script}").main(**given)
    except BaseException:
        sys.excepthook(*sys.exc_info())


def arm(point: str = "", at: int = 0, sent: int = 0, memory: int = 0) -> None:
    """Let this process get the signal ``sent`` on its ``at``-th way through ``point``.

    Args:
        point: A key of ``POINTS``.
        at: From 1.
        sent: Number of the signal.
        memory: If not 0, the rows of a pass above which the GPU has no memory left.
    """
    ways = 0

    def strike(*_: Any) -> None:
        nonlocal ways
        ways += 1
        if ways == at:
            os.kill(os.getpid(), sent)

    for place in POINTS[point] if point else ():
        _before(*place, strike)
    for place in PASSES if memory else ():
        _before(*place, lambda *given: _fill(*given, memory=memory))


def _before(module: str, owner: str, name: str, act: Callable[..., None]) -> None:
    """Let ``act`` be called with the same arguments before the function ``name``."""
    holder = getattr(importlib.import_module(module), owner, None) or importlib.import_module(
        f"{module}.{owner}"
    )
    passed = getattr(holder, name)

    def acting(*given: Any, **options: Any) -> Any:
        act(*given)
        return passed(*given, **options)

    setattr(holder, name, acting)


def _fill(trainer: Any, *given: Any, memory: int) -> None:
    """Run out of memory if a pass of TRL's trainer, or of our PPO, has more rows than fit."""
    import torch

    part = given[-1]
    rows = part.stop - part.start if isinstance(part, slice) else trainer.args.per_device_train_batch_size
    if rows > memory:
        raise torch.OutOfMemoryError("CUDA out of memory")


def kills(given: Mapping[str, Any], log: Path, **fault: Any) -> int:
    """Run a training again and again while it is killed; return how often it was."""
    count = 0
    while (code := run(given, log, every=-1.0, sent=signal.SIGKILL, **fault)) == -signal.SIGKILL:
        count += 1
        assert count < 20, "it gets no further"
    assert code == 0, log.read_text()[-2000:]
    return count
