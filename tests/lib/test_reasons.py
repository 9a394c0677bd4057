"""Why jobs ran and what they asked for, noted when a call of Snakemake starts."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workflow.lib.errors import DataError
from workflow.lib.files import read_jsonl
from workflow.lib.reasons import kinds_of, latest, note


@dataclass(eq=False)
class Job:
    """What a reason needs of a job."""

    name: str
    output: list[str]
    reason: str = ""
    benchmark: str | None = None
    log: list[str] = field(default_factory=list)
    threads: int = 1
    resources: dict[str, Any] = field(default_factory=dict)

    @property
    def rule(self) -> Any:
        """Return the rule, whose name is what it says of itself."""
        return Rule(self.name)


class Rule(SimpleNamespace):
    """What a reason needs of a rule."""

    def __init__(self, name: str) -> None:
        """Place the rule in the file of its stage."""
        super().__init__(name=name, snakefile="https://example.org/rules/training.smk")

    def __str__(self) -> str:
        """Return the name."""
        return str(self.name)


@dataclass
class Dag:
    """What a reason needs of a DAG."""

    jobs: list[Job]
    idle: list[Job] = field(default_factory=list)

    def needrun(self, job: Any) -> bool:
        """Return whether the job runs."""
        return job not in self.idle

    def reason(self, job: Any) -> str:
        """Return why."""
        return str(job.reason)


MISSING = "Missing output files: results/a.csv; Input files updated by another job: b: c, d"


def test_a_reason_is_told_without_its_files() -> None:
    assert kinds_of(MISSING) == ["Input files updated by another job", "Missing output files"]
    assert kinds_of("Code has changed since last execution") == ["Code has changed since last execution"]


def test_the_last_call_counts_for_each_output(tmp_path: Path) -> None:
    journal = tmp_path / "logs/jobs.jsonl"
    train, plot = Job("train", ["adapter", "card"], MISSING), Job("plot", ["figure"], MISSING)
    note(Dag([train, plot, Job("all", [])]), journal)  # a rule that only asks writes nothing
    plot.reason = "Params have changed since last execution"
    note(Dag([train, plot], idle=[train]), journal)
    assert [line["output"] for line in read_jsonl(journal)] == ["adapter", "figure", "figure"]
    found = {entry["output"]: (entry["rule"], entry["reasons"]) for entry in latest(journal)}
    assert found == {
        "adapter": ("train", ["Input files updated by another job", "Missing output files"]),
        "figure": ("plot", ["Params have changed since last execution"]),
    }


def test_a_line_tells_the_stage_and_what_was_asked_for(tmp_path: Path) -> None:
    journal = tmp_path / "jobs.jsonl"
    asked = {"mem_mb": 64000, "runtime": 720, "gpu": 1, "tmpdir": "scratch", "mem": "64 GB"}
    train = Job(
        "train", ["a"], benchmark="b/train.tsv", log=["l/train.log", "l/more"], threads=4, resources=asked
    )
    later = Job("sample", ["b"], resources={"mem_mb": "<TBD>", "gpu": 0})  # depends on files to come
    note(Dag([train, later]), journal)
    one, two = read_jsonl(journal)
    assert (one["stage"], one["benchmark"], one["log"]) == ("training", "b/train.tsv", "l/train.log")
    assert one["asked"] == {"threads": 4, "mem_mb": 64000, "runtime": 720, "gpu": 1}
    assert two["benchmark"] == two["log"] == ""
    assert two["asked"] == {"threads": 1, "mem_mb": None, "runtime": None, "gpu": 0}


def test_without_a_journal_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert latest(tmp_path / "none.jsonl") == []


def test_a_torn_end_does_not_count_and_a_torn_line_is_refused(tmp_path: Path) -> None:
    journal = tmp_path / "torn.jsonl"
    journal.write_text('{"output": "a", "rule": "b", "reasons": []}\n{"outp')
    assert [entry["output"] for entry in latest(journal)] == ["a"]
    journal.write_text('{"outp\n{"output": "a", "rule": "b", "reasons": []}\n')
    with pytest.raises(DataError, match=r"torn\.jsonl row 1"):
        latest(journal)
