"""How long texts are, in words, and which of several are taken by their length."""

from collections.abc import Sequence
from statistics import fmean, median
from typing import Any


def words(text: str) -> int:
    """Return the number of words of ``text``, as white space parts them."""
    return len(text.split())


def lengths(texts: Sequence[str]) -> dict[str, float | int | None]:
    """Return the number of texts and their mean and median length; null where there is no text."""
    characters, counts = [len(text) for text in texts], [words(text) for text in texts]
    return {
        "texts": len(texts),
        "mean_characters": fmean(characters) if texts else None,
        "median_characters": median(characters) if texts else None,
        "mean_words": fmean(counts) if texts else None,
        "median_words": median(counts) if texts else None,
    }


def length_bias(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return how the lengths of (chosen, rejected) texts differ, in words; null where there is no pair."""
    chosen, rejected = [words(better) for better, _ in pairs], [words(worse) for _, worse in pairs]
    longer = [better > worse for better, worse in zip(chosen, rejected, strict=True)]
    return {
        "pairs": len(pairs),
        "mean_words_chosen": fmean(chosen) if pairs else None,
        "mean_words_rejected": fmean(rejected) if pairs else None,
        "median_words_chosen": median(chosen) if pairs else None,
        "median_words_rejected": median(rejected) if pairs else None,
        "share_chosen_longer": fmean(longer) if pairs else None,
    }
