"""Rows of tokens for trainers: labels on completions, single completions from pairs, an order by length."""

from itertools import pairwise

import pytest
from accelerate.data_loader import SeedableRandomSampler

from workflow.lib.errors import DataError
from workflow.lib.rows import ByLength, labelled, labelled_sides, mismatched, unpaired

X, Y, GOOD, BAD, OTHER = [1, 2], [1, 3], [7, 0], [8, 8, 0], [9, 0]


def pair(prompt: list[int], chosen: list[int], rejected: list[int]) -> dict[str, list[int]]:
    return {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected}


def test_only_the_completion_has_labels():
    assert labelled([1, 2], [3, 0]) == {"input_ids": [1, 2, 3, 0], "labels": [-100, -100, 3, 0]}


def test_sides_are_trained_as_they_are_rendered():
    """TRL's own tokenisation would put a second EOS (0) after a line break (9) that the template adds."""
    columns = labelled_sides(pair([1, 5, 2], [6, 0, 9], [7, 8, 0, 9]))
    assert columns == {
        "prompt_input_ids": [1, 5, 2],
        "prompt_attention_mask": [1, 1, 1],
        "chosen_input_ids": [1, 5, 2, 6, 0, 9],
        "chosen_labels": [-100, -100, -100, 6, 0, 9],
        "chosen_attention_mask": [1] * 6,
        "rejected_input_ids": [1, 5, 2, 7, 8, 0, 9],
        "rejected_labels": [-100, -100, -100, 7, 8, 0, 9],
        "rejected_attention_mask": [1] * 7,
    }


def test_a_pair_makes_a_good_and_a_bad_completion():
    rows, counts = unpaired([pair(X, GOOD, BAD), pair(Y, BAD, GOOD)])
    assert rows == [
        {"prompt_ids": X, "completion_ids": GOOD, "label": True},
        {"prompt_ids": X, "completion_ids": BAD, "label": False},
        {"prompt_ids": Y, "completion_ids": BAD, "label": True},
        {"prompt_ids": Y, "completion_ids": GOOD, "label": False},
    ]
    assert counts == {
        "pairs": 2,
        "desirable": 2,
        "undesirable": 2,
        "repeated_completions": 0,
        "contradictory_completions": 0,
    }


def test_a_completion_of_several_pairs_counts_once():
    rows, counts = unpaired([pair(X, GOOD, BAD), pair(X, GOOD, OTHER), pair(X, GOOD, BAD)])
    assert [(row["completion_ids"], row["label"]) for row in rows] == [
        (GOOD, True),
        (BAD, False),
        (OTHER, False),
    ]
    assert counts["pairs"] == 3 and counts["repeated_completions"] == 3  # GOOD twice more, BAD once more
    assert (counts["desirable"], counts["undesirable"]) == (1, 2)


def test_a_completion_that_is_better_and_worse_is_neither():
    """GOOD over OTHER over BAD: OTHER is chosen once and rejected once."""
    rows, counts = unpaired([pair(X, GOOD, OTHER), pair(X, OTHER, BAD)])
    assert [(row["completion_ids"], row["label"]) for row in rows] == [(GOOD, True), (BAD, False)]
    assert (counts["contradictory_completions"], counts["repeated_completions"]) == (1, 1)


def singles(*prompts: list[int]) -> list[dict]:
    return [{"prompt_ids": p, "completion_ids": [50 + i, 0], "label": True} for i, p in enumerate(prompts)]


def test_no_prompt_gets_its_own_completion():
    rows = singles(*[[1, k] for k in range(4) for _ in range(6)])
    owner = {tuple(row["completion_ids"]): row["prompt_ids"] for row in rows}
    found = mismatched(rows, seed=3, longest=64)
    assert sorted(row["completion_ids"] for row in found) == [row["completion_ids"] for row in rows]
    assert all(owner[tuple(row["KL_completion_ids"])] != row["prompt_ids"] for row in found)
    # it is the neighbour's wherever the neighbour has another prompt
    for before, row in pairwise(found):
        if before["prompt_ids"] != row["prompt_ids"]:
            assert row["KL_completion_ids"] == before["completion_ids"]
    assert any(a["prompt_ids"] == b["prompt_ids"] for a, b in pairwise(found))  # and some have not
    assert found == mismatched(rows, seed=3, longest=64)
    assert found != mismatched(rows, seed=4, longest=64)


def test_the_first_row_looks_at_the_last():
    found = mismatched(singles([1, 2], [1, 3], [1, 4]), seed=0, longest=64)
    assert found[0]["KL_completion_ids"] == found[-1]["completion_ids"]


def test_another_completion_must_fit_after_the_prompt():
    """The long completion fits after its own short prompt only: nobody else gets it, and nothing is cut."""
    long = {"prompt_ids": [1], "completion_ids": [5, 5, 5, 5, 0], "label": True}
    short = [{"prompt_ids": [1, 2, 3, k], "completion_ids": [6, 0], "label": False} for k in range(3)]
    found = mismatched([long, *short], seed=1, longest=6)
    assert {tuple(row["KL_completion_ids"]) for row in found} == {(6, 0)}
    with pytest.raises(DataError, match="a prompt of 4 tokens finds no completion of another prompt"):
        mismatched([long, short[0]], seed=1, longest=6)


def test_one_prompt_alone_has_no_other():
    with pytest.raises(DataError, match="Fix: give more than one prompt"):
        mismatched(singles(X, X), seed=1, longest=64)


def drawn(count: int, seed: int, epoch: int) -> list[int]:
    """Return the order that the trainer itself would have."""
    sampler = SeedableRandomSampler(range(count), data_seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_global_batches_keep_their_rows_and_run_from_long_to_short():
    lengths = [5, 1, 4, 2, 3, 9, 7, 8, 6, 2]
    for epoch in (0, 1):
        order = ByLength(lengths, batch_size=4, seed=7)
        order.set_epoch(epoch)
        found, plain = list(order), drawn(10, 7, epoch)
        for first in (0, 4, 8):
            batch = found[first : first + 4]
            assert sorted(batch) == sorted(plain[first : first + 4])
            assert [lengths[i] for i in batch] == sorted((lengths[i] for i in batch), reverse=True)
    assert len(order) == 10
    assert drawn(10, 7, 0) != drawn(10, 7, 1)
