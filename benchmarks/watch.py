"""The process that a benchmark starts for one training, and what it sees of it.

Nothing of the workflow or of TRL is changed: functions are wrapped to read the clock around them, and the
tokens that reach ``Trainer.training_step`` are counted.
"""

import functools
import importlib
import json
import runpy
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.machine import peak_mib  # noqa: E402


class Watch:
    """Seconds by phase, each without the phases within it, and what a trainer of transformers did."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.seconds: dict[str, float] = defaultdict(float)
        self.found: dict[str, Any] = {}
        self._within = [0.0]  # seconds of the phases within each open one

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the seconds of the block to the phase ``name``."""
        self._within.append(0.0)
        begun = time.perf_counter()
        try:
            yield
        finally:
            taken = time.perf_counter() - begun
            self.seconds[name] += taken - self._within.pop()
            self._within[-1] += taken

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function``, its time added to the phase ``name``."""

        @functools.wraps(function)
        def watched(*args: Any, **options: Any) -> Any:
            with self.phase(name):
                return function(*args, **options)

        return watched

    def trainer(self, warm: int) -> None:
        """Watch the trainers of transformers: steps, tokens, losses; rates leave out ``warm`` steps."""
        import torch
        from transformers import Trainer

        train, training_step = Trainer.train, Trainer.training_step
        passes: list[tuple[float, int, int]] = []  # when it began, tokens, places with padding

        def one_pass(trainer: Any, model: Any, inputs: dict[str, Any], *rest: Any) -> Any:
            ids = [name for name in inputs if name.endswith("input_ids") and not name.startswith("prompt")]
            masks = [inputs.get(name.replace("input_ids", "attention_mask")) for name in ids]
            places = sum(inputs[name].numel() for name in ids)
            tokens = sum(int(mask.sum()) for mask in masks if mask is not None) or places  # packed: no mask
            passes.append((time.perf_counter(), tokens, places))
            return training_step(trainer, model, inputs, *rest)

        def whole(trainer: Any, *args: Any, **options: Any) -> Any:
            with self.phase("steps"):
                output = train(trainer, *args, **options)
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
            ended, steps = time.perf_counter(), trainer.state.global_step
            counted = passes[warm * (len(passes) // steps) :]
            losses = [record["loss"] for record in trainer.state.log_history if "loss" in record]
            seconds = ended - counted[0][0]
            self.found = {"steps": steps, "losses": losses, "seconds": seconds}
            self.found |= {"tokens": sum(p[1] for p in passes), "places": sum(p[2] for p in passes)}
            self.found |= {"rate": sum(p[1] for p in counted) / seconds}
            telemetry = importlib.import_module("workflow.lib.telemetry")  # once nothing is timed any more
            self.found["flops_per_token"] = telemetry.flops_per_token(trainer.model)
            self.found["peak_gpu_mib"] = telemetry.peak_gpu_mib()
            return output

        Trainer.train, Trainer.training_step = whole, one_pass


def watched(work: Mapping[str, Any]) -> dict[str, Any]:
    """Do ``work``: a job of ours, with phases if it names functions for them, or a script of TRL."""
    watch = Watch()
    if "job" not in work:
        watch.trainer(0)
        sys.argv = [work["module"], *work["arguments"]]
        runpy.run_module(work["module"], run_name="__main__")
    else:
        if work.get("liger"):
            from liger_kernel.transformers import apply_liger_kernel_to_llama

            # TRL's loss is fused already.
            apply_liger_kernel_to_llama(cross_entropy=False, fused_linear_cross_entropy=False)
        module = importlib.import_module(work["module"])
        module.capture(f"{work['name']}.log")  # as the script does first
        watch.seconds["imports"] = time.time() - work["began"]
        hooks: Mapping[str, Any] = work.get("phases", {})
        for holder_name, function, name in ((*path.rsplit(":", 1), name) for path, name in hooks.items()):
            holder = sys.modules.get(holder_name) if holder_name else module  # what the job itself imports
            target = getattr(holder, function, None)
            if isinstance(target, dict):
                target.update({key: watch.timed(name, value) for key, value in target.items()})
            elif target is not None:
                setattr(holder, function, watch.timed(name, target))
        if "transformers.trainer" in sys.modules:  # PPO has a loop of its own
            watch.trainer(work.get("warm", 0))
        module.main(**work["job"])
        telemetry = importlib.import_module("workflow.lib.telemetry")
        watch.found["peak_flops"] = telemetry.peak_flops(work["job"]["hardware"])
    return {**watch.found, "phases": watch.seconds, "peak_mib": peak_mib(), "ended": time.time()}


if __name__ == "__main__":
    description = Path(sys.argv[1])
    seen = watched(json.loads(description.read_text()))
    description.with_suffix(".found.json").write_text(json.dumps(seen))
