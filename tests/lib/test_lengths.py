"""Lengths of texts, and how those of chosen and rejected differ."""

from workflow.lib.lengths import length_bias, lengths, words


def test_lengths() -> None:
    assert lengths(["ab cd", "e", "f g h i"]) == {
        "texts": 3,
        "mean_characters": (5 + 1 + 7) / 3,
        "median_characters": 5,
        "mean_words": (2 + 1 + 4) / 3,
        "median_words": 2,
    }
    assert set(lengths([]).values()) == {0, None}


def test_words_are_what_white_space_parts() -> None:
    assert words(" so it\n\nis, it\tis. ") == 5
    assert words("") == 0


def test_length_bias_compares_the_two_sides() -> None:
    # words of chosen 3, 1, 2; of rejected 1, 1, 5
    assert length_bias([("a b c", "x"), ("a", "x"), ("a b", "v w x y z")]) == {
        "pairs": 3,
        "mean_words_chosen": 2.0,
        "mean_words_rejected": 7 / 3,
        "median_words_chosen": 2,
        "median_words_rejected": 1,
        "share_chosen_longer": 1 / 3,  # the first; the second is as long
    }
    assert set(length_bias([]).values()) == {0, None}
