"""Numbers and foreign text as a reader sees them."""

import pytest

from workflow.lib.wording import (
    bracket,
    count,
    decimal,
    duration,
    listed,
    p_value,
    points,
    share,
    shorten,
    significant,
    visible,
)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("0.725", "72.5"), ("1", "100.0"), ("0.0004", "0.0"), ("-0.0004", "0.0"), ("", "–")],
)
def test_a_share_is_shown_in_percent(cell: str, shown: str) -> None:
    assert share(cell) == shown


@pytest.mark.parametrize(
    ("cell", "shown"),
    [("0.137", "+13.7"), ("-0.035", "−3.5"), ("0.0001", "0.0"), ("-0.0001", "0.0"), ("", "–")],
)
def test_a_difference_has_a_sign_unless_it_rounds_to_zero(cell: str, shown: str) -> None:
    assert points(cell) == shown


def test_an_interval_needs_both_ends() -> None:
    assert bracket("-0.01", "0.205") == "[−1.0, 20.5]"
    assert bracket("", "0.2") == "[no interval]"


@pytest.mark.parametrize(
    ("cell", "shown"), [("0.0009", "<\u202f0.001"), ("0.001", "0.001"), ("0.0496", "0.050"), ("", "–")]
)
def test_a_p_value_is_never_zero(cell: str, shown: str) -> None:
    assert p_value(cell) == shown


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("1234.5678", "1,235"),
        ("12.345", "12.3"),
        ("0.0123", "0.012"),
        ("2e-05", "2.00e−05"),
        ("0", "0.000"),
        ("", "–"),
    ],
)
def test_significant_digits(cell: str, shown: str) -> None:
    assert significant(cell) == shown


def test_counts_and_decimals_separate_thousands() -> None:
    assert count("1500") == "1,500"
    assert decimal(-1234.56) == "−1,234.6"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(4.25, "4.2 s"), (59.4, "59 s"), (59.7, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_a_duration_has_two_units_at_most(seconds: float, shown: str) -> None:
    assert duration(seconds).replace("\u202f", " ") == shown


def test_lists_read_as_phrases() -> None:
    assert [listed([]), listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_control_and_direction_characters_become_visible() -> None:
    assert visible("a\x00b\x1b[31m\u202ec\ud800\n\td") == "a⟨U+0000⟩b⟨U+001B⟩[31m⟨U+202E⟩c⟨U+D800⟩\n\td"


def test_a_long_label_is_cut_on_one_line() -> None:
    assert shorten("one\ntwo  three", 9) == "one two …"
    assert shorten("one two", 9) == "one two"
