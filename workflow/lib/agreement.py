"""Whether two backends say the same of the same problems: a spot check with stated limits.

Answers are compared as they are parsed, greedy ones where the task draws. Log-likelihoods are those of the
options; where answers are generated, of the first backend's texts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM

from workflow.lib.errors import IntegrityError
from workflow.lib.harness import Task
from workflow.lib.records import Problem, Sample

DRAWN = ("temperature", "top_p", "top_k")  # settings of draws


@dataclass(frozen=True)
class Agreement:
    """The config's limits of the spot check."""

    problems: int
    least_same: float  # share of answers that are parsed alike
    most_nats: float  # difference of a log-likelihood


@dataclass(frozen=True)
class Spot:
    """What one backend said of one policy's problems."""

    texts: list[tuple[str, str]]  # prompt and generated answer
    parsed: list[str | None]
    loglikelihoods: list[float]


def spread(problems: Sequence[Problem], count: int) -> list[Problem]:
    """Return ``count`` of ``problems``, evenly spread, or all if there are fewer."""
    number = min(count, len(problems))
    return [problems[place * len(problems) // number] for place in range(number)]


def greedy(task: Task) -> Task:
    """Return ``task`` with one greedy answer for each problem; options are scored as they were."""
    if not task.sampled:
        return task
    kept = {key: value for key, value in task.config["generation_kwargs"].items() if key not in DRAWN}
    return replace(
        task, config={**task.config, "generation_kwargs": {**kept, "do_sample": False}, "repeats": 1}
    )


def spot_of(
    samples: Sequence[Sample], seen: Mapping[str, str], lm: TemplateLM, told: Spot | None, reads: int
) -> Spot:
    """Return what a backend says.

    Args:
        samples: Its records of the problems asked.
        seen: The prompts as the model sees them, by problem.
        lm: The backend, with the policy active.
        told: What the first backend said; ``None`` for that itself.
        reads: Tokens that the smaller backend reads.
    """
    parsed = [sample.parsed for sample in samples]
    given = [value for sample in samples for value in sample.loglikelihoods]
    texts = told.texts if told else [(seen[s.problem_id], s.text) for s in samples if not s.loglikelihoods]
    whole = [pair for pair in texts if pair[1] and len(lm.tok_encode("".join(pair))) <= reads]
    asked = [Instance("loglikelihood", {}, pair, 0) for pair in whole]
    return Spot(texts, parsed, given + [value for value, _ in (lm.loglikelihood(asked) if asked else [])])


def compare(first: Spot, second: Spot, limits: Agreement, about: str) -> dict[str, Any]:
    """Return how far two backends agree.

    Raises:
        IntegrityError: Not as far as ``limits`` ask.
    """
    same = [a == b for a, b in zip(first.parsed, second.parsed, strict=True)]
    apart = [abs(a - b) for a, b in zip(first.loglikelihoods, second.loglikelihoods, strict=True)]
    share, nats = sum(same) / len(same), max(apart, default=0.0)
    if share < limits.least_same or not nats <= limits.most_nats:
        raise IntegrityError(
            f"{about}: of {len(same)} problems transformers and vLLM answer {share:.3f} alike (least "
            f"{limits.least_same}), and log-likelihoods differ by {nats:.3g} nats (most {limits.most_nats}). "
            "Fix: set evaluation.backend to {kind: transformers}, or limits that this precision can keep."
        )
    return {"problems": len(same), "same_answers": share, "nats": nats}
