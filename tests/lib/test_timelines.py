"""Lanes of the timeline: pauses, small rules, and how many jobs ran at once."""

import numpy as np
import pytest

from workflow.lib.timelines import POINTS, Lane, at_once, lanes, long_pauses, span, without


def job(rule: str, begun: str, seconds: float, stage: str = "training") -> dict[str, str]:
    return {"stage": stage, "rule": rule, "begun": f"2026-11-21T{begun}+00:00", "seconds": str(seconds)}


def test_times_count_from_the_first_job() -> None:
    begun, ended = span([job("b", "10:01:00.500", 30), job("a", "10:00:00.000", 10.25)])
    assert (begun.tolist(), ended.tolist()) == ([60.5, 0.0], [90.5, 10.25])


def test_a_long_pause_is_cut_out_and_a_short_one_is_not() -> None:
    # Jobs run from 0 to 100 (one inside another), 101 to 200 and 1200 to 1300: 299 s, of which 2 % are 5.98.
    begun, ended = np.array([1200.0, 0, 20, 101]), np.array([1300.0, 100, 30, 200])
    cut = long_pauses(begun, ended)
    assert cut == [(200.0, 1200.0)]
    assert without(cut, begun).tolist() == [200.0, 0, 20, 101]
    assert without(cut, ended).tolist() == [300.0, 100, 30, 200]
    assert long_pauses(begun[:1], ended[:1]) == []


def test_small_rules_share_the_lane_of_their_stage() -> None:
    rows = [
        job("train", "10:00:10.000", 900),
        job("train", "10:00:20.000", 90),
        job("rank", "10:30:00.000", 2, "analysis"),
        job("plot", "10:31:00.000", 3, "analysis"),
        job("plot", "10:00:00.000", 4, "analysis"),
        job("read", "10:00:05.000", 1, "data"),
    ]  # 1000 s in all, of which 10 are a hundredth: plot's 7 are fewer
    found = lanes(rows, *span(rows))
    assert [(lane.stage, lane.name, lane.begun.tolist()) for lane in found] == [
        ("analysis", "analysis: 2 short rules", [1800.0, 1860.0, 0.0]),
        ("data", "read", [5.0]),
        ("training", "train", [10.0, 20.0]),
    ]
    rows[3]["seconds"] = "6.5"  # 10.5 of 1003.5 s
    assert [lane.name for lane in lanes(rows, *span(rows))] == ["plot", "read", "train", "rank"]


def steps(begun: list[float], ended: list[float], end: float) -> list[tuple[float, int]]:
    edges, running = at_once(Lane("s", "n", np.array(begun), np.array(ended)), end)
    assert edges[0] == 0 and edges[-1] == end and len(edges) == len(running) + 1
    return [(round(float(edge), 3), int(number)) for edge, number in zip(edges[:-1], running, strict=True)]


def test_how_many_jobs_ran_at_once() -> None:
    place = 600 / POINTS  # seconds
    assert steps([0, 100, 150], [200, 200, 180], 600) == [
        *((0, 1), (100, 2), (150, 3)),
        *((180 + place, 2), (200 + place, 0)),  # the place of an end still has the job
    ]


@pytest.mark.parametrize("next_begins", [100.0, 99.996])
def test_jobs_that_follow_each_other_are_not_two_at_once(next_begins: float) -> None:
    # The benchmark's clock has hundredths: the next job may seem to begin before the last one ended.
    assert steps([0, next_begins], [100.0, 200], 200) == [(0, 1)]


def test_the_shortest_job_is_seen_and_the_last_moment_belongs_to_the_axis() -> None:
    assert steps([300.2, 599.9], [300.3, 600], 600) == [(0, 0), (300, 1), (301, 0), (599, 1)]
