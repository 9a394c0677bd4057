"""What earlier jobs of this study took: seconds from benchmark files, tokens from ledgers of APIs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from workflow.lib.benchmarks import read_benchmark

# Where a rule that asks an API leaves its ledgers; the folder that holds one has the teacher's name.
LEDGERS = {
    "ask_prompts": "prompts/*/*/*.ledger.json",
    "ask_teacher": "rationales/*/*/shard-*.ledger.json",
    "ask_judge": "rationales/*/*/judged-*.ledger.json",
    "ask_judge_of_answers": "evaluation/*/*/judge/*/*.ledger.json",
}
ALIKE = {"ask_teacher": "ask_prompts"}  # the tournament asks the same of fewer problems


@dataclass(frozen=True)
class Earlier:
    """Measurements of earlier jobs."""

    seconds: Mapping[Path, Sequence[float]]  # by benchmark file, and by every folder above it
    tokens: Mapping[tuple[str, str], tuple[float, float]]  # of a request and its answer, by rule and teacher

    def seconds_of(self, rule: str, benchmark: str) -> float | None:
        """Return the median seconds of the jobs of ``rule`` that are most like one; ``None`` without any.

        Most alike is the same job, then those that share its folders of wildcards, the last differing first.

        Args:
            rule: Name of the rule.
            benchmark: Benchmark file of the job.
        """
        path = Path(benchmark)
        for place in (path, *path.parents):
            if rule not in place.with_suffix("").parts:
                return None
            if place in self.seconds:
                return median(self.seconds[place])
        return None

    def tokens_of(self, rule: str, teacher: str) -> tuple[float, float] | None:
        """Return the mean tokens of a request and of its answer; ``None`` where no ledger tells."""
        for name in (rule, ALIKE.get(rule, rule)):
            if (name, teacher) in self.tokens:
                return self.tokens[name, teacher]
        return None


def read_earlier(results: Path) -> Earlier:
    """Return what the files below the folder ``results`` tell; nothing where there are none."""
    seconds: dict[Path, list[float]] = {}
    for path in sorted((results / "benchmarks").rglob("*.tsv")):
        measured = read_benchmark(path)
        found = [measured.seconds] if measured else []
        for place in (path, *path.parents[: len(path.relative_to(results / "benchmarks").parts) - 1]):
            seconds.setdefault(place, []).extend(found)
    return Earlier(seconds, _tokens(results))


def _tokens(results: Path) -> dict[tuple[str, str], tuple[float, float]]:
    counts: dict[tuple[str, str], list[int]] = {}
    for rule, pattern in LEDGERS.items():
        for path in sorted(results.glob(pattern)):
            ledger = json.loads(path.read_text(encoding="utf-8"))
            sums = counts.setdefault((rule, path.parent.name), [0, 0, 0])
            for part in (ledger["asked"], ledger["reused"]):
                sums[0] += part["requests"] - part["without_usage"]
                sums[1] += part["input_tokens"]
                sums[2] += part["output_tokens"]
    return {key: (read / told, written / told) for key, (told, read, written) in counts.items() if told}
