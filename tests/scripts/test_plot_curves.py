"""The figure of training curves."""

from pathlib import Path

from tests.figure_checks import check_files, check_nothing, drawn
from tests.report_inputs import RUN, tables
from workflow.scripts.plot_curves import ACROSS, NOTHING, TITLE, draw, main, quantities


def test_every_seed_is_a_line_of_its_own_dash() -> None:
    (axis,) = drawn(draw, tables()["curves"]).axes
    points = [[(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True)] for line in axis.lines]
    assert points == [[(1, 1), (2, 0.5), (4, 0.25)]] * 2
    assert [line.get_linestyle() for line in axis.lines] == ["-", "--"]


def test_every_method_has_its_row_and_only_its_quantities() -> None:
    rows = tables()["curves"]
    more = [
        RUN | {"method": "sft", "quantity": q, "seed": "1", "step": "1", "value": "1"} for q in ("loss", "x")
    ]
    axes = drawn(draw, rows + more).axes
    assert [axis.get_ylabel() for axis in axes] == ["SFT", "", "DPO"]
    assert [axis.get_title(loc="left") for axis in axes] == ["loss", "x", "loss"]


def test_the_loss_comes_first_and_step_counters_last() -> None:
    names = ["grad_norm", "policy_loss", "kl", "learning_rate", "reward", "loss"]
    assert quantities([{"quantity": name} for name in names]) == ["loss", "reward", "kl", "policy_loss"]
    assert len(names) > ACROSS


def test_one_of_each_kind_comes_before_a_second() -> None:
    ppo = ["entropy", "kl", "kl_coefficient", "policy_loss", "score"]
    assert quantities([{"quantity": name} for name in ppo]) == ["score", "kl", "entropy", "policy_loss"]
    dpo = ["loss", "mean_token_accuracy", "rewards/accuracies", "rewards/chosen", "rewards/margins"]
    assert quantities([{"quantity": name} for name in dpo]) == [
        *["loss", "rewards/accuracies", "rewards/margins", "rewards/chosen"]
    ]


def test_files(tmp_path: Path) -> None:
    check_files(
        main, "curves", tmp_path, TITLE, "(1 and 2; solid first, then dashed)", "n = 1", "no interval"
    )


def test_nothing_run(tmp_path: Path) -> None:
    check_nothing(main, "curves", tmp_path, NOTHING)
