"""Test the finished results with pytest: every invariant in ``tests/results/test_results.py``.

A result that breaks an invariant is a failed run, and the failed invariants are named one per line.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from workflow.lib.errors import IntegrityError
from workflow.lib.files import read_csv, write_json
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.parquet import rows_of
from workflow.lib.records import Sample
from workflow.lib.samples import load_samples

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

OPTIONS = ["-c", os.devnull, "-p", "no:cacheprovider", "--noconftest", "--import-mode=importlib", "-q"]

Table = list[dict[str, str]]


class FinishedRun:
    """Pytest plugin that hands the results to the invariants and keeps the outcomes."""

    def __init__(
        self, tables: Sequence[str], samples: Sequence[str], learned: Sequence[str], config: dict[str, Any]
    ) -> None:
        """Read the tables, the samples and what was learned from once, for all invariants."""
        self.found = {Path(path).stem: read_csv(path) for path in tables}
        self.answers = load_samples(samples)
        self.rows = {row["group_id"]: f"{path} {row['row_id']}" for path in learned for row in rows_of(path)}
        self.settings = config
        self.outcomes: list[dict[str, str]] = []

    @pytest.fixture
    def tables(self) -> dict[str, Table]:
        """Return the rows of every table of the analysis, by its name."""
        return self.found

    @pytest.fixture
    def samples(self) -> list[Sample]:
        """Return all scored answers."""
        return self.answers

    @pytest.fixture
    def learned(self) -> dict[str, str]:
        """Return a row that was learned from, as file and row_id, of every group that has any."""
        return self.rows

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        """Return the study's config."""
        return self.settings

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the outcome of a test, and of a setup that did not get as far as the test."""
        if report.when == "call" or not report.passed:
            self.outcomes.append(
                {
                    "name": report.nodeid.split("::", 1)[1],
                    "outcome": report.outcome,
                    "message": first_line(report),
                }
            )


def first_line(report: pytest.TestReport) -> str:
    """Return the line that says why a test failed or was skipped; empty when it passed."""
    if report.passed:
        return ""
    if isinstance(report.longrepr, tuple):  # a skipped test: file, line, reason
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    return text.strip().splitlines()[0].removeprefix("AssertionError: ")


def main(
    *,
    tables: Sequence[str],
    samples: Sequence[str],
    learned: Sequence[str],
    checks: str,
    config: dict[str, Any],
    invariants: str,
) -> None:
    """Run the invariants on the results, write the outcomes, and raise an error if one is broken."""
    run = FinishedRun(tables, samples, learned, config)
    status = pytest.main([*OPTIONS, invariants], plugins=[run])
    by_outcome = {
        kind: [test for test in run.outcomes if test["outcome"] == kind]
        for kind in ("passed", "failed", "skipped")
    }
    counts = {kind: len(some) for kind, some in by_outcome.items()}
    write_json(checks, {**counts, "tests": run.outcomes})
    broken = [f"{test['name']}: {test['message']}" for test in by_outcome["failed"]]
    if status != pytest.ExitCode.OK:
        ending = pytest.ExitCode(status).name
        head = f"{len(broken)} invariants of the results are broken (pytest ended with {ending})"
        raise IntegrityError("\n".join([head, *broken]))
    print(f"{counts['passed']} invariants hold")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        tables=snakemake.input.tables,
        samples=files_of(snakemake.input.answers, "samples"),
        learned=snakemake.input.learned,
        checks=snakemake.output.checks,
        config=snakemake.params.config,
        invariants=snakemake.input.invariants,
    )
