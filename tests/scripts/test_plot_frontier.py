"""The figure of reward against divergence."""

from pathlib import Path

from tests.figure_checks import check_files, check_nothing, drawn, marks
from tests.report_inputs import moved, tables
from workflow.scripts.plot_frontier import NOTHING, TITLE, draw, main


def test_each_seed_of_each_policy_stands_at_its_divergence_and_gain() -> None:
    rows = [moved("dpo", "1", 1.5, 2.5), moved("dpo", "2", 1.0, 3.0), moved("dpo", "all", 9.0, 9.0)]
    (axis,) = drawn(draw, [moved("base", "1", 0.0, 0.0), *rows]).axes
    assert marks(axis)["D"] == [(2.5, 1.5), (3.0, 1.0)]
    assert marks(axis)["-"] == [(2.25, 2.75), (2.75, 3.25)]
    upright = [list(map(float, line.get_ydata())) for line in axis.lines if len(set(line.get_xdata())) == 1]
    assert [ends for ends in upright if len(ends) == 2] == [[1.0, 2.0], [0.5, 1.5]]
    assert set(marks(axis)) == {"D", "-"}  # the base, which has not moved, is the origin
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["DPO"]
    assert axis.get_title(loc="left") == "logicbench, by reward"


def test_each_scorer_has_its_panel_and_greedy_answers_none() -> None:
    rows = [moved("dpo", "1", 1.5, 2.5), moved("dpo", "1", 4.0, 2.5) | {"scorer": "judge"}]
    greedy = moved("dpo", "1", 1.5, 2.5) | {"task": "greedy", "kl": "", "kl_low": "", "kl_high": ""}
    one, other = drawn(draw, [*rows, greedy]).axes
    assert [axis.get_title(loc="left") for axis in (one, other)] == [
        *("logicbench, by reward", "logicbench, by judge"),
    ]
    assert (marks(one)["D"], marks(other)["D"]) == ([(2.5, 1.5)], [(2.5, 4.0)])


def test_a_mark_without_an_interval_has_no_line() -> None:
    ends = dict.fromkeys(("low", "high", "kl_low", "kl_high"), "")
    (axis,) = drawn(draw, [moved("dpo", "1", 1.5, 2.5) | ends]).axes
    assert marks(axis) == {"D": [(2.5, 1.5)]}


def test_files(tmp_path: Path) -> None:
    assert {row["seed"] for row in tables()["frontier"]} == {"all", "1", "2"}
    check_files(main, "frontier", tmp_path, TITLE, "95% cluster bootstrap", "n = 400 answers in 200 groups")


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "frontier", tmp_path, NOTHING)
