"""One budget for all methods: steps worked out by hand, never more than paid for, and a clock for seconds."""

from pathlib import Path

import pytest

from workflow.lib import budgets
from workflow.lib.budgets import Budget, Clock, Epoch, pace, steps_bought, updates_bought
from workflow.lib.errors import DataError
from workflow.lib.files import read_json

# 33 rows in batches of 16: two steps of 16 rows and one of 1, 3 steps per epoch.
EPOCH = Epoch(sequences=33, batch_size=16, pairs=33, tokens=3300)


@pytest.mark.parametrize(
    ("unit", "amount", "steps"),
    [
        ("steps", 7, 7),
        ("pairs", 33, 3),
        ("pairs", 32, 2),  # the third step would make it 33
        ("pairs", 66 + 31, 7),  # two epochs and one batch of 16; a second one would make it 98
        ("tokens", 3300, 3),
        ("tokens", 3299, 2),  # 32 of 33 rows
        ("tokens", 3300 + 1600, 4),
        ("seconds", 5, budgets.MOST_STEPS),
    ],
)
def test_steps_that_a_budget_buys(unit: str, amount: int, steps: int):
    assert steps_bought(Budget(unit, amount), EPOCH) == steps


@pytest.mark.parametrize("unit", ["pairs", "tokens"])
def test_a_budget_is_used_up_to_the_last_step_that_it_pays_for(unit: str):
    whole = {"pairs": EPOCH.pairs, "tokens": EPOCH.tokens}[unit]
    for amount in range(16 * whole // 33 + 1, 4 * whole, 7):
        steps = steps_bought(Budget(unit, amount), EPOCH)
        assert EPOCH.share_after(steps, whole) <= amount < EPOCH.share_after(steps + 1, whole) + whole // 33


def test_what_steps_pass_through():
    assert EPOCH.share_after(6, 3300) == 6600  # two whole epochs are exact
    assert EPOCH.share_after(4, 3300) == 3300 + 16 * 100
    assert EPOCH.share_after(4, 33) == 33 + 16


def test_packed_rows_count_as_rows():
    """10 sequences hold 40 rows of 800 tokens in all; a step of 2 sequences passes 8 rows, 160 tokens."""
    packed = Epoch(sequences=10, batch_size=2, pairs=40, tokens=800)
    assert steps_bought(Budget("pairs", 24), packed) == 3
    assert steps_bought(Budget("tokens", 479), packed) == 2
    assert packed.share_after(3, 40) == 24


@pytest.mark.parametrize(("unit", "amount"), [("pairs", 15), ("tokens", 1599)])
def test_a_budget_below_one_step_is_refused(unit: str, amount: int):
    with pytest.raises(
        DataError, match=rf"train\.budget: {amount} {unit}: expected enough for one step of 16"
    ):
        steps_bought(Budget(unit, amount), EPOCH)


def test_tokens_that_nobody_has_written_yet_cannot_be_counted():
    with pytest.raises(DataError, match="Fix: give the budget in steps or pairs"):
        steps_bought(Budget("tokens", 100), Epoch(8, 2, 8, None))


def test_updates_that_a_budget_buys():
    assert updates_bought(Budget("steps", 7), responses=32, steps=2) == 3
    assert updates_bought(Budget("pairs", 100), responses=32, steps=2) == 3
    with pytest.raises(DataError, match="one update of 32 responses and 2 steps"):
        updates_bought(Budget("steps", 1), responses=32, steps=2)


def test_pace_of_an_on_policy_method():
    history = [{"tokens": 30.0}, {"tokens": 50.0}]
    sizes = {"responses": 8, "steps": 2}
    assert pace(Budget("steps", 20), None, **sizes)(history) == 0.2  # 2 of 10 updates
    assert pace(Budget("pairs", 40), None, **sizes)(history) == 0.4  # 2 of 5
    tokens = pace(Budget("tokens", 100), None, **sizes)
    assert (tokens([]), tokens(history), tokens([*history, {"tokens": 99.0}])) == (0.0, 0.8, 1.0)


def clock_at(seconds: list[float], monkeypatch: pytest.MonkeyPatch, note: Path) -> Clock:
    """Return a clock of 100 s that is read at the times ``seconds``, after its start at 0."""
    times = iter([0.0, *seconds])
    monkeypatch.setattr(budgets.time, "monotonic", lambda: next(times))
    return Clock(100, note)


def test_the_rate_follows_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clock = clock_at([0, 5, 10, 55, 100, 130], monkeypatch, tmp_path / "clock.json")
    # a tenth to warm up: 0, half-way up at 5 s, 1 at 10 s; then 90 s down: half at 55 s
    assert [clock.rate(0.1) for _ in range(6)] == pytest.approx([0.0, 0.5, 1.0, 0.5, 0.0, 0.0])


def test_without_warmup_the_rate_starts_at_its_highest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clock = clock_at([0, 25], monkeypatch, tmp_path / "clock.json")
    assert [clock.rate(0.0), clock.rate(0.0)] == [1.0, 0.75]


def test_time_of_an_attempt_that_was_killed_is_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    note = tmp_path / "clock.json"
    clock = clock_at([5, 30, 35], monkeypatch, note)
    assert [clock.spent(), note.exists()] == [5.0, False]
    assert [clock.spent(), clock.spent()] == [30.0, 35.0]
    assert read_json(note) == {"seconds": 30.0}  # noted every ten seconds
    again = clock_at([40, 80], monkeypatch, note)
    assert [again.share(), again.share()] == [0.7, 1.0]
