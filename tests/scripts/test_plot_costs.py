"""The figure of costs."""

from pathlib import Path

from tests.figure_checks import check_files, check_nothing, drawn, marks, row_names
from tests.report_inputs import tables
from workflow.scripts.plot_costs import NOTHING, TITLE, draw, main


def test_every_run_has_a_mark_on_axes_from_zero() -> None:
    time, memory, speed = drawn(draw, tables()["costs"]).axes
    assert row_names(time) == ["SFT", "DPO"]
    assert (marks(time)["s"], marks(time)["D"]) == ([(23, 0)], [(80, 1)])
    assert marks(memory)["s"] == [(1100.5, 0)]
    assert marks(speed)["D"] == [(2500, 1)]
    assert [axis.get_xlim()[0] for axis in (time, memory, speed)] == [0, 0, 0]
    assert memory.get_xlabel() == "MiB, resident"


def test_memory_is_the_accelerators_where_there_was_one() -> None:
    rows = tables()["costs"]
    rows[0]["peak_gpu_mib"] = "512"
    _, memory, _ = drawn(draw, rows).axes
    assert memory.get_xlabel() == "MiB, GPU"
    assert {kind: at for kind, at in marks(memory).items() if kind != "-"} == {"s": [(512, 0)], "D": [(0, 1)]}


def test_files(tmp_path: Path) -> None:
    check_files(main, "costs", tmp_path, TITLE, "n = 2 runs", "no interval")


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "costs", tmp_path, NOTHING)
