"""Log-likelihoods of continuations, with what several have in common computed once.

The options of a problem begin alike: with its prompt, and often with words of their own. Such sequences are
laid out in one row as a tree of depth one, the common part and then a branch each; a token sees the common
part and its own branch only, at the position that it has in its own sequence. So every option gets the
log-likelihood that it gets alone, up to rounding. Logits are computed from the first scored token on.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel

MASKED = ("eager", "sdpa")  # implementations of attention that take any mask
FULL = "full_attention"  # kind of a layer whose tokens see all that the mask lets them see


@dataclass(frozen=True)
class Scored:
    """A sequence whose last tokens are scored."""

    number: int  # of the request
    tokens: list[int]
    scored: int  # how many of the last ones


@dataclass(frozen=True)
class Row:
    """Sequences that share their first ``trunk`` inputs, side by side; the last token of each is no input."""

    sequences: list[Scored]
    trunk: int

    @property
    def branches(self) -> list[list[int]]:
        """The inputs of each sequence behind the common part."""
        return [sequence.tokens[self.trunk : -1] for sequence in self.sequences]

    @property
    def length(self) -> int:
        """Inputs of the row."""
        return self.trunk + sum(map(len, self.branches))

    def layout(self) -> tuple[list[int], list[int], list[int]]:
        """Return for each input its token, its position, and its branch: from 1, 0 for the common part."""
        tokens, positions = self.sequences[0].tokens[: self.trunk], list(range(self.trunk))
        owners = [0] * self.trunk
        for number, branch in enumerate(self.branches, start=1):
            tokens = tokens + branch
            positions += range(self.trunk, self.trunk + len(branch))
            owners += [number] * len(branch)
        return tokens, positions, owners

    def columns(self) -> list[list[int]]:
        """Return for each sequence the columns of the row whose outputs predict its scored tokens."""
        starts = [self.trunk]
        for branch in self.branches:
            starts.append(starts[-1] + len(branch))
        found = []
        for sequence, start in zip(self.sequences, starts, strict=False):
            inputs = len(sequence.tokens) - 1
            places = range(inputs - sequence.scored, inputs)
            found.append([p if p < self.trunk else start + p - self.trunk for p in places])
        return found


def can_branch(model: PreTrainedModel | PeftModel) -> bool:
    """Return whether all that a token learns from others comes through attention that takes our mask."""
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    config = base.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or [FULL])
    windowed = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    local = "local" in getattr(config, "attention_layers", [])  # GPT-Neo: columns next to a token's own
    alibi = getattr(config, "alibi", False)  # Falcon: distances between columns
    told = inspect.signature(type(base).forward).parameters
    return (
        config._attn_implementation in MASKED
        and kinds == {FULL}
        and not (windowed or local or alibi)
        and not base._is_stateful
        and {"position_ids", "logits_to_keep"} <= set(told)
    )


def rows_of(sequences: Sequence[tuple[tuple[int, ...], Scored]], longest: int) -> list[Row]:
    """Return the rows of ``sequences`` that are given with their context, longest rows first.

    Args:
        sequences: Those with the same context share rows.
        longest: Inputs of a row; a sequence alone is no longer.
    """
    grouped: dict[tuple[int, ...], list[Scored]] = {}
    for context, sequence in sequences:
        grouped.setdefault(context, []).append(sequence)
    rows = [row for group in grouped.values() for row in _filled(group, longest)]
    return sorted(rows, key=lambda row: (-row.length, row.sequences[0].number))


def _filled(group: Sequence[Scored], longest: int) -> Iterator[Row]:
    row = Row([group[0]], len(group[0].tokens) - 1)
    for sequence in group[1:]:
        inputs = sequence.tokens[:-1]
        trunk = _alike(row.sequences[0].tokens[: row.trunk], inputs)
        more = Row([*row.sequences, sequence], trunk)
        if more.length > longest:
            yield row
            more = Row([sequence], len(inputs))
        row = more
    yield row


def _alike(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens both begin with."""
    places = range(min(len(one), len(other)))
    return next((place for place in places if one[place] != other[place]), len(places))


def batches_of(rows: Sequence[Row], size: int, inputs: float) -> Iterator[list[Row]]:
    """Yield ``rows``, longest first, in batches of one row, or of several within two limits.

    Args:
        rows: As ``rows_of`` sorts them.
        size: Sequences of a batch.
        inputs: Inputs of a batch with its padding.
    """
    batch: list[Row] = []
    for row in rows:
        sequences = sum(len(other.sequences) for other in [*batch, row])
        if batch and (sequences > size or (len(batch) + 1) * batch[0].length > inputs):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def mask_of(owners: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what is added to the attention scores, (B, 1, T, T): 0 where a token sees another.

    Args:
        owners: Branch of each column, 0 in the common part and -1 in the padding, (B, T).
        dtype: Of the model.
    """
    earlier = torch.ones(owners.shape[1], owners.shape[1], dtype=torch.bool, device=owners.device).tril()
    asks, told = owners[:, :, None], owners[:, None, :]
    seen = earlier & ((told == 0) | (told == asks))  # padding sees padding: no row of the mask is empty
    return torch.where(seen, 0.0, torch.finfo(dtype).min).to(dtype)[:, None]


def loglikelihoods(
    model: PreTrainedModel | PeftModel, rows: Sequence[Row], softmax: torch.dtype | None
) -> dict[int, tuple[float, bool]]:
    """Return the log-likelihood of every sequence's scored tokens, and whether each is the likeliest.

    Args:
        model: In evaluation mode; see ``can_branch``.
        rows: One batch.
        softmax: Number format of the log-probabilities; ``None`` for the model's.
    """
    width = max(row.length for row in rows)
    layouts, columns = [row.layout() for row in rows], [row.columns() for row in rows]
    pads = [width - row.length for row in rows]  # on the left, so that what is scored stands at the end
    tokens, positions, owners = (
        torch.tensor(
            [[fill] * pad + layout[part] for pad, layout in zip(pads, layouts, strict=True)],
            device=model.device,
        )
        for part, fill in enumerate((0, 0, -1))
    )
    kept = width - min(pad + column[0] for pad, row in zip(pads, columns, strict=True) for column in row)
    with torch.no_grad():
        logits = model(
            input_ids=tokens,
            position_ids=positions,
            attention_mask=mask_of(owners, model.dtype),
            logits_to_keep=kept,
            use_cache=False,
        ).logits
        found = {}
        for place, (row, pad) in enumerate(zip(rows, pads, strict=True)):
            for sequence, of_sequence in zip(row.sequences, columns[place], strict=True):
                asked = [pad + column - (width - kept) for column in of_sequence]
                said = torch.log_softmax(logits[place, asked], dim=-1, dtype=softmax)
                target = torch.tensor(sequence.tokens[-sequence.scored :], device=said.device)
                total = said.gather(1, target[:, None]).sum()
                found[sequence.number] = (float(total), bool((said.argmax(dim=-1) == target).all()))
    return found
