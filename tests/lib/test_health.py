"""Health of a policy in training: measures by hand, alarms by name."""

import pytest
import torch
from torch import tensor

from workflow.lib.errors import NumericalError
from workflow.lib.health import Alarms, check, explained_variance, repetition

ALARMS = Alarms(most_kl=50.0, least_entropy=0.01, least_length=0.5, most_length=2.0, most_repetition=0.4)
FIRST = {"step": 1.0, "kl": 0.0, "entropy": 1.0, "length": 20.0, "repetition": 0.1, "score": 0.0}
HEALTHY = {"step": 3.0, "kl": 50.0, "entropy": 0.01, "length": 10.0, "repetition": 0.4, "score": 0.1}


def test_repetition_is_the_share_of_grams_seen_before():
    # 1 2 1 2 1 2 has three 4-grams, 1212 2121 1212: one of three was there before; a short one has none
    assert repetition([[1, 2, 1, 2, 1, 2]]) == pytest.approx(1 / 3)
    assert repetition([[7, 7, 7, 7, 7], [1, 2, 3, 4, 5]]) == pytest.approx((1 / 2 + 0) / 2)
    assert repetition([[1, 2, 3], [1, 2, 3, 4]]) == 0.0


def test_explained_variance():
    mask = tensor([[True, True, True, False]])
    returns = tensor([[0.0, 1.0, 2.0, 50.0]])
    assert explained_variance(returns, returns, mask) == 1.0
    assert explained_variance(torch.zeros(1, 4), returns, mask) == 0.0
    # residuals 0, 0.5, 1: variance a quarter of that of the returns
    assert explained_variance(returns / 2, returns, mask) == pytest.approx(0.75)
    assert explained_variance(returns, torch.ones(1, 4), mask) == 0.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kl": 51.0}, "PPO update 3: kl to the reference is 51 .* most_kl is 50"),
        (
            {"entropy": 0.009},
            r"PPO update 3: entropy collapsed from 1 to 0\.009 nats per token, least_entropy",
        ),
        ({"length": 9.9}, r"PPO update 3: length collapsed from 20 to 9\.9 tokens, least_length is 0\.5"),
        ({"length": 40.1}, r"PPO update 3: length exploded from 20 to 40\.1 tokens, most_length is 2 times"),
        ({"repetition": 0.41}, r"PPO update 3: repetition: 0\.41 of .* most_repetition is 0\.4"),
        ({"score": float("nan")}, "PPO update 3: score is nan"),
    ],
)
def test_alarms_name_their_reason(changed: dict[str, float], message: str):
    check(HEALTHY, FIRST, ALARMS)
    check({**HEALTHY, "length": 40.0}, FIRST, ALARMS)
    with pytest.raises(NumericalError, match=message):
        check({**HEALTHY, **changed}, FIRST, ALARMS)
