"""Why jobs ran, noted when a call of Snakemake starts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from workflow.lib.errors import DataError
from workflow.lib.files import read_jsonl
from workflow.lib.reasons import kinds_of, latest, note


@dataclass(eq=False)
class Job:
    """What a reason needs of a job."""

    rule: str
    output: list[str]
    reason: str = ""


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


def test_without_a_journal_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert latest(tmp_path / "none.jsonl") == []


def test_a_torn_end_does_not_count_and_a_torn_line_is_refused(tmp_path: Path) -> None:
    journal = tmp_path / "torn.jsonl"
    journal.write_text('{"output": "a", "rule": "b", "reasons": []}\n{"outp')
    assert [entry["output"] for entry in latest(journal)] == ["a"]
    journal.write_text('{"outp\n{"output": "a", "rule": "b", "reasons": []}\n')
    with pytest.raises(DataError, match=r"torn\.jsonl row 1"):
        latest(journal)
