"""Rows of tokens in the forms that TRL's trainers take, and an order of rows that needs less padding.

A row of pairs is as ``workflow.lib.training.encode`` makes it: ``prompt_ids``, ``chosen_ids``,
``rejected_ids``. Nothing here cuts a row.
"""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from accelerate.data_loader import SeedableRandomSampler
from torch.utils.data import Sampler

from workflow.lib.errors import DataError

IGNORED = -100  # label of a token that is not trained
SIDES = ("chosen", "rejected")
PROMPTS = ("prompt_ids", "prompt_input_ids")  # columns of prompts, of rows as encoded and as ORPO's
Row = dict[str, Any]


def labelled(prompt: list[int], completion: list[int]) -> dict[str, list[int]]:
    """Return both as one sequence, with labels on the completion only."""
    return {"input_ids": prompt + completion, "labels": [IGNORED] * len(prompt) + completion}


def labelled_sides(row: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """Return the columns that the collator of ORPO and CPO pads: the prompt, and each side after it."""
    prompt = row["prompt_ids"]
    columns = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
    for side in SIDES:
        sequence = labelled(prompt, row[f"{side}_ids"])
        columns |= {f"{side}_{name}": values for name, values in sequence.items()}
        columns[f"{side}_attention_mask"] = [1] * len(sequence["input_ids"])
    return columns


def unpaired(pairs: Sequence[Mapping[str, list[int]]]) -> tuple[list[Row], dict[str, int]]:
    """Return each completion of ``pairs`` once, ``label`` true if it was chosen, and the counts.

    A completion that several pairs share counts once. One that is chosen in one pair and rejected in
    another, as the second best of three answers, is neither good nor bad and is left out.
    """
    labels: dict[tuple[tuple[int, ...], tuple[int, ...]], set[bool]] = {}
    for pair in pairs:
        for side in SIDES:
            completion = (tuple(pair["prompt_ids"]), tuple(pair[f"{side}_ids"]))
            labels.setdefault(completion, set()).add(side == "chosen")
    rows: list[Row] = [
        {"prompt_ids": list(prompt), "completion_ids": list(completion), "label": label}
        for (prompt, completion), (label, *other) in labels.items()
        if not other
    ]
    desirable = sum(row["label"] for row in rows)
    return rows, {
        "pairs": len(pairs),
        "desirable": desirable,
        "undesirable": len(rows) - desirable,
        "repeated_completions": 2 * len(pairs) - len(labels),
        "contradictory_completions": len(labels) - len(rows),
    }


def mismatched(rows: Sequence[Row], seed: int, longest: int) -> list[Row]:
    """Return ``rows`` shuffled, each with ``KL_completion_ids``: a completion of another prompt.

    It is that of the nearest row before (the first looks at the last) whose prompt differs and whose
    completion fits. It depends on the seed and on no batch size.

    Args:
        rows: As ``unpaired`` makes them.
        seed: Of the order.
        longest: Tokens of a prompt and the completion of another one.

    Raises:
        DataError: A prompt finds none.
    """
    order = list(rows)
    Random(seed).shuffle(order)
    found = []
    for i, row in enumerate(order):
        before = (order[i - back] for back in range(1, len(order)))
        room = longest - len(row["prompt_ids"])
        fits = (
            other["completion_ids"]
            for other in before
            if other["prompt_ids"] != row["prompt_ids"] and len(other["completion_ids"]) <= room
        )
        completion = next(fits, None)
        if completion is None:
            raise DataError(
                f"a prompt of {len(row['prompt_ids'])} tokens finds no completion of another prompt that "
                f"fits into {longest} tokens. Fix: give more than one prompt, or raise 'max_length'."
            )
        found.append({**row, "KL_completion_ids": completion})
    return found


def length_of(row: Mapping[str, Any]) -> int:
    """Return the tokens of the longest sequence of a row: its longest completion after its prompt."""
    sequences = [ids for name, ids in row.items() if name.endswith("_ids") and name not in PROMPTS]
    return len(row.get("prompt_ids", [])) + max(map(len, sequences))


class ByLength(Sampler[int]):
    """The random order of a trainer, but each global batch from its longest row to its shortest.

    Every global batch has the rows that it would have anyway; only which of them share a micro-batch, and
    so are padded to one length, is another. A loss that weighs all tokens, or all rows, of the global batch
    alike does not change by it.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        """Order rows of ``lengths`` tokens in global batches of ``batch_size`` rows."""
        self._order = SeedableRandomSampler(lengths, data_seed=seed)
        self._lengths = lengths
        self._batch_size = batch_size

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        """Yield the indices of one epoch."""
        drawn = list(self._order)
        for first in range(0, len(drawn), self._batch_size):
            batch = drawn[first : first + self._batch_size]
            yield from sorted(batch, key=lambda i: self._lengths[i], reverse=True)

    def set_epoch(self, epoch: int) -> None:
        """Draw the order of this epoch next."""
        self._order.set_epoch(epoch)
