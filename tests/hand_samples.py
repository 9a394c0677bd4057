"""Scored answers made by hand, for tests of what is computed from them."""

from pathlib import Path
from typing import Any

from workflow.lib.parquet import write_parquet
from workflow.lib.records import Sample, table

SETTINGS = {"resamples": 200, "confidence": 0.95, "seed": 1, "examples": 3}


def sample(**changes: Any) -> Sample:
    """Return a right answer of the base to one yes/no problem, with some fields changed."""
    fields = {
        **{"dataset": "logic", "model": "tiny", "method": "base", "seed": 1, "task": "quiz"},
        **{"problem_id": "p1", "group_id": "g1", "category": "propositional", "rule": "modus_ponens"},
        **{"repeat": 0, "prompt": "Is it so?", "prompt_sha256": "00", "text": "So it is. Answer: yes"},
        **{"parsed": "yes", "answer": "yes", "score": 1.0, "tokens": 7, "loglikelihoods": []},
    }
    return Sample(**(fields | changes))


def write_samples(path: Path, samples: list[Sample]) -> str:
    """Write the samples as a stage would and return the path."""
    write_parquet(path, table(samples, Sample))
    return str(path)
