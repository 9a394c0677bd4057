"""Splits by group that never move: where a group goes depends on its own text and the seed alone."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workflow.lib.shingles import Hashes

SPLITS = ("train", "dev", "test")
TRAIN, DEV, TEST = range(3)


@dataclass(frozen=True)
class Shares:
    """Seed, and the shares of dev and test; train is the rest."""

    seed: int
    dev: float
    test: float


def position(seed: int, group: str) -> float:
    """Return a number in [0, 1) that depends on the seed and the group alone."""
    digest = hashlib.sha256(f"{seed}\x1f{group}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_of(group: str, into: str, shares: Shares) -> str:
    """Return the split that ``splits_of`` gives a group, whatever else there is.

    Args:
        group: Its identifier.
        into: Which splits its source may enter: all, train (and dev), or test.
        shares: Seed and shares.
    """
    place = position(shares.seed, group)
    if into == "test":
        return "test"
    if place < shares.test:
        return "test" if into == "all" else "train"
    return "dev" if place < shares.test + shares.dev else "train"


def splits_of(groups: Hashes, into: NDArray[np.str_], shares: Shares) -> NDArray[np.int8]:
    """Return the split (0 train, 1 dev, 2 test) of each row, (N,).

    The places of groups from 0 to ``test`` are the test split's and those up to ``test + dev`` the dev
    split's, for every source alike. A source that may not enter test gives the first of them to train.

    Args:
        groups: Group of each row, (N,).
        into: Which splits the row's source may enter, (N,): all, train (and dev), or test.
        shares: Seed and shares.
    """
    names, rows = np.unique(groups, return_inverse=True)
    places = np.array([position(shares.seed, f"g{name:016x}") for name in names])[rows]
    split = np.where(places < shares.test + shares.dev, DEV, TRAIN).astype(np.int8)
    split[places < shares.test] = TEST
    split[(into == "train") & (split == TEST)] = TRAIN
    split[into == "test"] = TEST
    return split
