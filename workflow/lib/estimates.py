"""Time, disk and dollars of work that never ran here: from presets, for the order of magnitude.

A pass forward takes 2 floating-point operations per weight and token, a training with LoRA 6: 4 for its own
passes, as ``workflow.lib.telemetry`` counts them, and 2 for activations that are computed again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflow.lib.earlier import Earlier
from workflow.lib.fetches import of_model
from workflow.lib.workloads import Sizes, UnknownError, Work

FLOPS = {"read": 2, "written": 2, "drawn": 2, "learned": 6}  # per weight and token
BYTES_PER_WEIGHT = 2  # of a model on the hub
MILLION = 1e6


@dataclass(frozen=True)
class Estimator:
    """Judges work by the presets and by what answers have cost so far."""

    sizes: Sizes
    presets: Mapping[str, Any]
    earlier: Earlier

    def weights(self, model: str) -> float:
        """Return the number of weights of a model: of its manifest, or by its size."""
        if about := self.sizes.read(self.sizes.results / f"models/{model}/manifest.json"):
            return float(about["parameters"])
        found = sum(fetch.megabytes for fetch in of_model(model, dict(self.sizes.study)))
        if not found:
            raise UnknownError(f"the size of model '{model}', until it is trained")
        return found * MILLION / BYTES_PER_WEIGHT

    def gpu_seconds(self, work: Work, gpus: float) -> float:
        """Return the seconds of a job that shares ``work`` out over ``gpus``."""
        peak = self.presets["flops_per_second"][self.sizes.study["hardware"]["precision"]] * gpus
        used = self.presets["utilisation"]
        passes = sum(FLOPS[kind] * getattr(work, kind) / (peak * used[kind]) for kind in FLOPS)
        return float(self.presets["startup_seconds"] + work.seconds + passes * self.weights(work.model))

    def api_seconds(self, work: Work, teacher: Mapping[str, Any]) -> float:
        """Return the seconds that the limits of a teacher behind an API allow its requests at least."""
        minutes = max(
            work.requests / teacher["requests_per_minute"],
            (work.read + work.written) / teacher["tokens_per_minute"],
        )
        return float(60 * minutes)

    def megabytes(self, work: Work) -> float:
        """Return the size of what a job leaves: its answers, or its adapters."""
        said = (work.written + work.drawn) * self.presets["bytes_per_token"] if not work.adapters else 0.0
        rank = self.sizes.study["lora"]["r"]
        share = rank * self.presets["adapter_share_of_rank"] * self.presets["bytes_per_adapter_weight"]
        return (said + (work.adapters * share * self.weights(work.model) if work.adapters else 0)) / MILLION

    def dollars(self, rule: str, name: str, work: Work) -> tuple[float, bool]:
        """Return what the requests of a job cost, and whether that is only known to be the most.

        Args:
            rule: Name of the rule.
            name: Of the teacher behind an API.
            work: Of the job.
        """
        teacher, found = self.sizes.study["teachers"][name], self.earlier.tokens_of(rule, name)
        read, written = found or (self.sizes.prompt_tokens, teacher["max_tokens"])
        if found is None and work.requests:
            read, written = work.read / work.requests, work.written / work.requests
        price = read * teacher["usd_per_million_input"] + written * teacher["usd_per_million_output"]
        return work.requests * price / MILLION, found is None
