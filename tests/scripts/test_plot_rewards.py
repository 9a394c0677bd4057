"""The figure of the reward model."""

from pathlib import Path

from tests.figure_checks import check_files, check_nothing, drawn, marks, row_names
from tests.report_inputs import tables
from workflow.scripts.plot_rewards import NOTHING, TITLE, draw, main


def test_every_seed_has_a_row_and_chance_a_line() -> None:
    (axis,) = drawn(draw, tables()["rewards"]).axes
    assert row_names(axis) == ["all seeds", "seed 1"]
    assert marks(axis)["P"] == [(86, 0), (86, 1)]
    assert marks(axis)["-"] == [(82, 90), (82, 90)]
    assert list(axis.lines[-1].get_xdata()) == [50, 50]


def test_several_reward_models_are_named() -> None:
    rows = tables()["rewards"]
    others = [row | {"method": "reward-held-out"} for row in rows]
    (axis,) = drawn(draw, [*rows, *others]).axes
    assert row_names(axis) == [
        *["Reward model, all seeds", "Reward model, seed 1"],
        *["Reward model held-out, all seeds", "Reward model held-out, seed 1"],
    ]


def test_files(tmp_path: Path) -> None:
    check_files(main, "rewards", tmp_path, TITLE, "95% cluster bootstrap", "n = 300 pairs in 100 groups")


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "rewards", tmp_path, NOTHING)
