"""The figure of when jobs ran."""

from pathlib import Path

import numpy as np

from tests.figure_checks import check_files, check_nothing, drawn, row_names
from tests.report_inputs import job, tables
from workflow.scripts.plot_timeline import NOTHING, TITLE, describe, draw, main


def test_a_lane_for_each_rule_in_the_order_of_their_beginning() -> None:
    # 60 s of pretraining, then two trainings of 90 s, 30 s apart, then two rules of 1 s: 242 s of jobs.
    (axis,) = drawn(draw, tables()["timeline"]).axes
    assert row_names(axis) == ["pretrain_model", "train", "analysis: 2 short rules"]
    (right,) = axis.child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == ["1 job", "2 jobs, 2 at once", "2 jobs"]
    assert axis.get_xlabel() == "minutes since the first job began"
    assert [round(float(x), 3) for x in axis.get_xlim()] == [0, 3.033]  # 182 s
    train = axis.patches[1].get_data()
    assert np.round(train.edges, 2).tolist() == [0, 1, 1.5, 2.5, 3.0, 3.03]
    # Lane 1 reaches from 1.4 up to 0.6: half for one job, the whole for two.
    assert np.round(train.values, 2).tolist() == [1.4, 1.0, 0.6, 1.0, 1.4]
    colours = [patch.get_facecolor() for patch in axis.patches]
    assert len(set(colours)) == 3  # stages


def test_a_pause_between_two_calls_is_cut_out_and_told() -> None:
    rows = [job("train", "training", "10:00:00", "60.0"), job("train", "training", "12:00:00", "60.0")]
    (axis,) = drawn(draw, rows).axes
    assert axis.get_xlim()[1] == 2
    assert [line.get_xdata() for line in axis.lines] == [[1.0, 1.0]]
    assert axis.get_xlabel().endswith("; dotted: a pause is cut out")
    assert (
        "in 2\u202fmin 0\u202fs and pauses of 1\u202fh 59\u202fmin from the first" in describe(rows).caption
    )


def test_a_thousand_jobs_are_a_small_figure() -> None:
    rows = [
        job("sample", "rationales", f"{hour:02d}:{minute:02d}:{second:02d}", "7.0")
        for hour in range(5)
        for minute in range(0, 60, 3)
        for second in range(0, 60, 6)
    ]
    (axis,) = drawn(draw, rows).axes
    assert len(rows) == 1000 and len(axis.patches) == 1
    assert len(axis.patches[0].get_data().edges) <= 601


def test_files(tmp_path: Path) -> None:
    said = (
        "n = 5 jobs of 4\u202fmin 2\u202fs together",
        "in 3\u202fmin 2\u202fs from",
        "1 more job left no measurement",
    )
    check_files(main, "timeline", tmp_path, TITLE, *said)


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "timeline", tmp_path, NOTHING)
