"""Snakemake's benchmark files: what they say, and what they cannot say."""

import os
from pathlib import Path

import pytest

from workflow.lib.benchmarks import Measured, end_of, read_benchmark

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


@pytest.mark.parametrize(
    ("line", "peak", "busy"),
    [
        ("57.78\t0:00:57\t1090.18\t3347.77\t796.33\t846.14\t3.44\t0.05\t39.46\t23.14\n", 1090.18, 23.14),
        ("57.78\t0:00:57\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\n", None, None),
        ("57.78\t0:00:57\t-\t-\t-\t-\t-\t-\t0.00\t0\n", None, None),
    ],
    ids=["measured", "never looked at", "a system that does not tell"],
)
def test_a_job_as_it_was_measured(tmp_path: Path, line: str, peak: float | None, busy: float | None) -> None:
    path = tmp_path / "train.tsv"
    path.write_text(HEAD + line)
    os.utime(path, (1000.0, 2000.5))
    assert read_benchmark(path) == Measured(2000.5, 57.78, peak, busy)


def test_a_job_that_was_looked_at_once_had_hardly_begun_then(tmp_path: Path) -> None:
    path = tmp_path / "collect.tsv"
    for seconds, peak in (("0.49", None), ("0.50", 1.41)):
        path.write_text(f"{HEAD}{seconds}\t0:00:00\t1.41\t9\t1\t1\t0.00\t0.00\t0.00\t0.00\n")
        found = read_benchmark(path)
        assert found is not None and (found.seconds, found.peak_rss_mib) == (float(seconds), peak)


@pytest.mark.parametrize("content", [None, "", HEAD, HEAD + "\n"], ids=["none", "empty", "head", "torn"])
def test_a_file_that_is_not_there_or_not_whole_is_nothing(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "train.tsv"
    if content is not None:
        path.write_text(content)
    assert read_benchmark(path) is None
    assert read_benchmark(Path()) is None  # of a rule without one


@pytest.mark.parametrize(
    ("logged", "noted", "ended"),
    [
        (None, 1000.0, 1000.0),  # without a log
        (996.0, 1000.0, 1000.0),  # a job that Snakemake ran itself: its process takes a moment to end
        (900.0, 1000.0, 900.0),  # the queue was asked 100 s after the last line
        (905.0, 9999.0, 905.0),  # --touch
        (600.0, 1000.0, 750.0),  # a log that is silent to its end: 50 s of a job of a call that began at 700
        (600.0, 740.0, 740.0),
    ],
)
def test_the_end_is_told_by_the_log_where_snakemake_learned_of_it_late(
    tmp_path: Path, logged: float | None, noted: float, ended: float
) -> None:
    log = tmp_path / "train.log"
    if logged is not None:
        log.write_text("done\n")
        os.utime(log, (logged, logged))
    assert end_of(Measured(noted, 50.0, None, None), log, called=700.0) == ended
