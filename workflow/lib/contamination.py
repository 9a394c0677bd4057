"""How much of a held-out text was in training: the share of its word n-grams that occur there.

Chowdhery et al. (2022), "PaLM", section 8, call a problem contaminated when 70 % of its 8-grams occur.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workflow.lib.shingles import shingle


class Lookout:
    """The n-grams of held-out texts, and which of them were met in training texts."""

    def __init__(self, texts: Sequence[str], words: int) -> None:
        """Look out for the n-grams of ``words`` words of N held-out ``texts``."""
        self._words = words
        self._wanted = shingle(texts, words)
        self._known = np.unique(self._wanted.hashes)
        self._met_in = np.full(len(self._known), -1)  # row of the first training text that has it

    def read(self, tables: Iterable[Sequence[str]]) -> None:
        """Read training texts, numbered through from 0."""
        row = 0
        for texts in tables:
            found = shingle(texts, self._words)
            rows = np.repeat(np.arange(row, row + len(texts)), np.diff(found.starts))
            place = np.searchsorted(self._known, found.hashes)
            hit = np.flatnonzero(self._known[np.minimum(place, len(self._known) - 1)] == found.hashes)
            # The first of several wins: they are written last to first.
            fresh = hit[::-1][self._met_in[place[hit[::-1]]] < 0]
            self._met_in[place[fresh]] = rows[fresh]
            row += len(texts)

    def shares(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the share of each text's n-grams that were met and a training row with some, or -1, (N,)."""
        starts, places = self._wanted.starts, np.searchsorted(self._known, self._wanted.hashes)
        met = self._met_in[places]
        shares, rows = np.zeros(len(starts) - 1), np.full(len(starts) - 1, -1)
        for text, (start, end) in enumerate(pairwise(starts)):
            here = met[start:end]
            if (here >= 0).any():
                shares[text] = (here >= 0).mean()
                names, counts = np.unique(here[here >= 0], return_counts=True)
                rows[text] = names[counts.argmax()]
        return shares, rows
