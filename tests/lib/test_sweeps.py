"""A sweep: who is best, who is tied with it, and which trial each rule takes."""

import pytest

from tests.hand_samples import SETTINGS, sample
from workflow.lib.errors import IntegrityError, NumericalError
from workflow.lib.statistics import Settings
from workflow.lib.sweeps import IN_WORDS, RULES, Trial, chosen, entries_of

CHOSEN = Settings(**SETTINGS)
PROBLEMS = 40  # each in a group of its own


def trial(number: int, wrong: set[int], *, failure: str | None = None, problems: int = PROBLEMS) -> Trial:
    """Return a trial that answers all but the problems ``wrong`` right."""
    answers = [
        sample(method="dpo", problem_id=f"p{i:02}", group_id=f"g{i:02}", score=float(i not in wrong))
        for i in range(problems)
    ]
    return Trial(number, {"beta": number}, [] if failure else answers, failure)


# Trial 0 misses 2 of 40 that the best one, 2, gets right: 5 points, and a resample without either is common
# ((38 / 40) ** 40 = 0.13), so the difference may be zero. Trial 1 misses 20 more.
TRIALS = [trial(0, {0, 1, 2}), trial(1, set(range(20, 40))), trial(2, {2}), trial(3, {2})]


def test_estimates_are_of_all_problems_and_differences_are_paired_with_the_best():
    entries = entries_of(TRIALS, CHOSEN)
    assert [entry.accuracy.value for entry in entries] == [37 / 40, 20 / 40, 39 / 40, 39 / 40]
    assert [entry.difference.value for entry in entries] == pytest.approx([-2 / 40, -19 / 40, 0, 0])
    assert [entry.tied for entry in entries] == [True, False, True, True]
    assert {(entry.accuracy.n, entry.accuracy.groups) for entry in entries} == {(40, 40)}
    low, high = entries[1].difference.low, entries[1].difference.high
    assert low is not None and high is not None and low < -19 / 40 < high < 0


def test_each_rule_takes_another_trial_and_says_why():
    entries = entries_of(TRIALS, CHOSEN)
    assert chosen(entries, "best_accuracy").trial.number == 2  # of two equals the first
    assert chosen(entries, "first_in_tie_group").trial.number == 0
    assert RULES.keys() == IN_WORDS.keys()


def test_a_failed_trial_has_no_estimate_and_is_never_chosen():
    entries = entries_of([trial(0, set(), failure="loss is nan"), trial(1, {0}), trial(2, {0, 1})], CHOSEN)
    assert [entry.row()["accuracy"] for entry in entries] == [None, 39 / 40, 38 / 40]
    assert entries[0].row() | {"n": 0, "tied": False, "interval": "n/a (failed)"} == entries[0].row()
    assert entries[0].row()["failure"] == "loss is nan"
    assert [chosen(entries, rule).trial.number for rule in RULES] == [1, 1]
    nothing = entries_of([trial(0, set(), failure="loss is nan"), trial(1, set(range(PROBLEMS)))], CHOSEN)
    assert [chosen(nothing, rule).trial.number for rule in RULES] == [1, 1]  # though it got nothing right


def test_a_row_has_every_number_with_its_interval():
    row = entries_of(TRIALS, CHOSEN)[1].row()
    assert (row["trial"], row["settings"], row["failure"], row["n"]) == (1, {"beta": 1}, None, 40)
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert row["interval"] == "95% cluster bootstrap"


def test_nobody_wins_where_all_failed():
    with pytest.raises(NumericalError, match="all 2 trials failed, the first by: loss is nan"):
        entries_of([trial(0, set(), failure="loss is nan"), trial(1, set(), failure="other")], CHOSEN)


def test_trials_that_were_asked_other_problems_are_not_compared():
    with pytest.raises(IntegrityError, match="1 without a partner"):
        entries_of([trial(0, {0}), trial(1, {0}, problems=PROBLEMS - 1)], CHOSEN)
