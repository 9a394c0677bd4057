"""Two halves of the space of generated problems that never meet: one for datasets, one for pretraining.

The text of a problem itself says which half it is in, so whatever the seeds and sizes, no problem of a
generated dataset occurs in the text that a base model was trained on.
"""

import hashlib

DATASET_SHARE = 0.25


def for_datasets(text: str) -> bool:
    """Return whether a problem, known by its normalised ``text``, is kept for datasets."""
    digest = hashlib.sha256(" ".join(text.casefold().split()).encode()).digest()
    return int.from_bytes(digest[:4], "big") < DATASET_SHARE * 2**32
