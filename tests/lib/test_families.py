"""Names of methods."""

import pytest

from workflow.lib.families import classifiers_of, family, rewards_among, scorers_of


@pytest.mark.parametrize(
    ("method", "trainer"),
    [("dpo", "dpo"), ("dpo-ipo", "dpo"), ("dpo-beta-0.3", "dpo"), ("base", "base"), ("reward-2", "reward")],
)
def test_the_trainer_is_what_stands_before_the_first_dash(method: str, trainer: str) -> None:
    assert family(method) == trainer


def test_reward_models_are_told_from_policies() -> None:
    assert rewards_among({"sft": {}, "reward-held-out": {}, "reward": {}, "rewards": {}}) == [
        "reward-held-out",
        "reward",
    ]


def test_scorers_are_named_once_and_the_one_held_out_last() -> None:
    rewards = [
        {"kind": "adapter", "method": "reward-b"},
        {"kind": "classifier", "model": "bert"},
        {"kind": "adapter", "method": "reward"},
        {"kind": "adapter", "method": "reward-b"},
        {"kind": "classifier", "model": "bert"},
        {"kind": "verifier"},
    ]
    method = {"rewards": rewards, "held_out": "reward-c"}
    assert scorers_of(method) == ["reward-b", "reward", "reward-c"]
    assert classifiers_of(method) == ["bert"]
    assert scorers_of({"rewards": rewards[1:2], "held_out": None}) == []
    assert scorers_of({}) == classifiers_of({}) == []
