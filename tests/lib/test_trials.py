"""Trials: all combinations of the listed values, in an order that can be told by hand."""

from workflow.lib.trials import in_words, number_of, points

GRID = {"beta": [0.1, 0.3], "learning_rate": [1.0e-6, 5.0e-6, 2.0e-5]}


def test_every_combination_is_a_trial_and_the_first_has_the_first_values():
    assert [tuple(point.values()) for point in points(GRID)] == [
        *[(0.1, 1.0e-6), (0.1, 5.0e-6), (0.1, 2.0e-5)],
        *[(0.3, 1.0e-6), (0.3, 5.0e-6), (0.3, 2.0e-5)],
    ]
    assert {tuple(point) for point in points(GRID)} == {("beta", "learning_rate")}
    assert number_of(GRID) == len(points(GRID)) == 6


def test_a_trial_is_told_by_its_settings():
    assert in_words(points(GRID)[3]) == "beta 0.3, learning_rate 1e-06"
