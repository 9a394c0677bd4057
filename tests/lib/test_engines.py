"""What an engine tells of the tokens that may follow: by how much an adapter changes it."""

from types import SimpleNamespace

import pytest

from workflow.lib import engines
from workflow.lib.errors import IntegrityError

LORA = SimpleNamespace(lora_path="adapters/a")


def change(monkeypatch: pytest.MonkeyPatch, before: dict[int, float], after: dict[int, float]) -> float:
    """Return the change between what the base and what the adapter says."""
    told = {None: before, "adapters/a": after}
    monkeypatch.setattr(engines, "_following", lambda llm, prompt, lora: told[lora and lora.lora_path])
    return engines.logprob_change(None, [1], LORA)


def test_the_largest_change_of_a_token_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert change(monkeypatch, {1: -0.5, 2: -1.0}, {1: -0.75, 2: -3.0}) == 2.0


def test_a_token_that_one_side_does_not_tell_counts_as_its_last(monkeypatch: pytest.MonkeyPatch) -> None:
    # 1 falls out: from -0.5 to the -4.0 of 3 or below; 3 comes in: from the -1.0 of 2 or below to -4.0.
    assert change(monkeypatch, {1: -0.5, 2: -1.0}, {2: -0.25, 3: -4.0}) == 3.5
    assert change(monkeypatch, {1: -0.5}, {3: -0.25}) == 0.25  # no token in common: finite all the same


@pytest.mark.parametrize("after", [{1: -0.5}, {1: float("nan")}], ids=["the same", "not finite"])
def test_an_adapter_that_answers_like_the_base_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, after: dict[int, float]
) -> None:
    with pytest.raises(IntegrityError, match="adapters/a: expected other log-probabilities"):
        change(monkeypatch, {1: -0.5}, after)
