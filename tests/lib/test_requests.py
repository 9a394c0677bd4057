"""What jobs should have asked for, by the rule that docs/statistics.md states."""

from typing import Any

import pytest

from workflow.lib.requests import MEMORY, TIME, advice, of_rule


@pytest.mark.parametrize(
    ("most", "enough"),
    [
        (1090.18 * 1.048576, 2000),  # 1143 MB and half of it: 1715
        (100, 500),  # and 400
        (100.1, 1000),
        (800, 1500),  # half of 800 is 400 too: 1200
        (1000, 1500),  # 1500 exactly
        (43000, 64500),
    ],
)
def test_enough_memory_has_half_as_much_again_and_room_for_snakemake(most: float, enough: int) -> None:
    assert MEMORY.enough(most) == enough


@pytest.mark.parametrize(("most", "enough"), [(0.01, 10), (5, 10), (5.01, 20), (100, 200)])
def test_enough_time_is_twice_the_longest(most: float, enough: int) -> None:
    assert TIME.enough(most) == enough


@pytest.mark.parametrize(
    ("asked", "most", "said"),
    [
        (64000, 1100, "train asked for 64 GB of memory and took at most 1.1 GB in 3 jobs: 2 GB would do."),
        (4000, 1100, "train asked for 4 GB of memory and took at most 1.1 GB in 3 jobs: 2 GB would do."),
        (3999, 1100, ""),  # less than twice what would do
        (1200, 1080, ""),  # nine tenths
        (1200, 1081, "of memory and took at most 1.1 GB in 3 jobs, which is close: ask for 2 GB."),
        (1000, 1500, "train asked for 1 GB of memory and took at most 1.5 GB in 3 jobs, which is close: "),
        (None, 1100, ""),
        (64000, None, ""),
    ],
)
def test_advice_on_memory(asked: float | None, most: float | None, said: str) -> None:
    found = advice("train", 3, MEMORY, asked, most).replace("\u202f", " ")
    assert said in found and bool(said) == bool(found)
    assert advice("train", 2, MEMORY, asked, most) == ""


def test_advice_on_time_names_no_unit_that_says_nothing() -> None:
    said = advice("train", 9, TIME, 720, 83.61 / 60).replace("\u202f", "_")
    assert said == "train asked for 12_h of time and took at most 1_min 24_s in 9 jobs: 10_min would do."
    assert "90\u202fmin" not in advice("train", 9, TIME, 90, 1)
    assert advice("train", 9, TIME, 90, 1).startswith("train asked for 1\u202fh 30\u202fmin of time")


def job(**change: Any) -> dict[str, Any]:
    row = {"stage": "training", "rule": "train", "output": "a", "begun": "x", "seconds": 60.0, "threads": 2}
    more = {"cpu_seconds": 90.0, "peak_rss_mib": 1000.0, "gpus": 1, "mem_mb": 8000, "runtime_min": 60}
    return row | more | change


def test_the_jobs_of_a_rule_together() -> None:
    lost = dict.fromkeys(("begun", "seconds", "cpu_seconds", "peak_rss_mib"))
    rows = [job(), job(seconds=120.0, peak_rss_mib=2000.0, mem_mb=16000), job(**lost), job(seconds=30.0)]
    found = of_rule([*rows, job(seconds=0.4, cpu_seconds=None, peak_rss_mib=None)])
    assert (found["jobs"], found["measured"]) == (5, 4)
    assert (found["seconds_median"], found["seconds_max"]) == (45.0, 120.0)  # of 0.4, 30, 60, 120
    assert found["runtime_used"] == 2 / 60
    assert found["mem_used"] == 2000 * 1.048576 / 16000
    assert found["cores_used"] == (3 * 90) / (60 + 120 + 30)  # of those that were looked at
    assert (found["threads"], found["gpus"], found["mem_mb"]) == (2, 1, 16000)
    assert found["advice_memory"].endswith("took at most 2.1\u202fGB in 4 jobs: 3.5\u202fGB would do.")


def test_nothing_asked_and_nothing_measured_is_nothing_said() -> None:
    bare = {"mem_mb": None, "runtime_min": None}
    found = of_rule([job(**bare)] * 3)
    assert (found["mem_used"], found["runtime_used"]) == (None, None)
    assert (found["advice_memory"], found["advice_time"]) == ("", "")
    lost = of_rule([job(seconds=None, cpu_seconds=None, peak_rss_mib=None)] * 3)
    assert (lost["measured"], lost["seconds_median"], lost["cores_used"], lost["mem_used"]) == (
        0,
        None,
        None,
        None,
    )
