"""Options in one row get the log-likelihoods that they get alone, and what they share is read once."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import PeftModel
from transformers import PreTrainedModel

from tests.families import FAMILIES, tiny
from tests.random_adapters import HARDWARE, write_adapter
from tests.tiny_gpt2 import write_tiny_gpt2
from workflow.lib.branches import (
    Row,
    Scored,
    batches_of,
    can_branch,
    loglikelihoods,
    mask_of,
    rows_of,
)
from workflow.lib.harness import language_model
from workflow.lib.models import load_base, load_tokenizer
from workflow.lib.policies import active, load_policies

CONTEXT = (5, 6, 7)
ENDS = [[8, 9, 10], [8, 9, 11, 12], [8], [13]]  # the first two begin alike; the last are one token


def sequences(context: tuple[int, ...] = CONTEXT) -> list[tuple[tuple[int, ...], Scored]]:
    return [(context, Scored(n, [*context, *end], len(end))) for n, end in enumerate(ENDS)]


def test_what_all_begin_with_is_read_once() -> None:
    (row,) = rows_of(sequences()[:2], 100)
    # Inputs are 5 6 7 8 9 and 5 6 7 8 9 11: the last token of each is no input.
    assert (row.trunk, row.branches, row.length) == (5, [[], [11]], 6)
    assert row.layout() == ([5, 6, 7, 8, 9, 11], [0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 2])
    # 8 is predicted at 7, 9 at 8, 10 and 11 at 9, and 12 at 11.
    assert row.columns() == [[2, 3, 4], [2, 3, 4, 5]]


def test_options_part_where_they_differ() -> None:
    (row,) = rows_of(sequences(), 100)
    # The third and fourth have the inputs 5 6 7 alone: that is what all four share.
    assert (row.trunk, row.branches) == (3, [[8, 9], [8, 9, 11], [], []])
    assert row.layout()[1:] == ([0, 1, 2, 3, 4, 3, 4, 5], [0, 0, 0, 1, 1, 2, 2, 2])
    assert row.columns() == [[2, 3, 4], [2, 5, 6, 7], [2], [2]]


def test_a_row_has_room_for_so_many_inputs() -> None:
    rows = rows_of([*sequences(), *sequences((1, 2))], 7)
    # With 7 inputs the first two fit (6), the third would make it 3 + 2 + 3 = 8, and goes on with the fourth.
    assert [[s.tokens for s in row.sequences] for row in rows] == [
        [[1, 2, 8, 9, 10], [1, 2, 8, 9, 11, 12], [1, 2, 8], [1, 2, 13]],  # 2 + 2 + 3, the longest first
        [[5, 6, 7, 8, 9, 10], [5, 6, 7, 8, 9, 11, 12]],
        [[5, 6, 7, 8], [5, 6, 7, 13]],
    ]


def test_batches_keep_both_limits() -> None:
    rows = [Row([Scored(n, [0] * (length + 1), 1)] * 2, length) for n, length in enumerate((9, 8, 3, 3, 2))]

    def lengths(size: int, inputs: float) -> list[list[int]]:
        return [[row.length for row in batch] for batch in batches_of(rows, size, inputs)]

    assert lengths(100, 100) == [[9, 8, 3, 3, 2]]
    assert lengths(4, 100) == [[9, 8], [3, 3], [2]]  # two sequences a row
    assert lengths(100, 18) == [[9, 8], [3, 3, 2]]  # 2 × 9 inputs with padding, 3 × 3
    assert lengths(1, 1) == [[9], [8], [3], [3], [2]]


def test_a_token_sees_what_is_common_and_its_own_branch() -> None:
    owners = torch.tensor([[-1, 0, 0, 1, 1, 2]])
    seen = mask_of(owners, torch.float32)[0, 0] == 0
    assert seen.int().tolist() == [
        [1, 0, 0, 0, 0, 0],  # padding: only itself
        [0, 1, 0, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 1, 1, 0, 0, 1],  # the second branch does not see the first
    ]


def alone(model: PreTrainedModel | PeftModel, sequence: Scored) -> tuple[float, bool]:
    """Return what the plain forward pass says of one sequence."""
    tokens = torch.tensor([sequence.tokens])
    with torch.no_grad():
        said = torch.log_softmax(model(tokens).logits[0, :-1], -1)[-sequence.scored :]
    target = tokens[0, -sequence.scored :]
    return float(said.gather(1, target[:, None]).sum()), bool((said.argmax(-1) == target).all())


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_each_option_scores_as_it_does_alone(
    kind: str, attention: str, tiny_llama: Path, tmp_path: Path
) -> None:
    snapshot = tiny_llama if kind == "llama" else write_tiny_gpt2(tmp_path / "gpt2")
    model = load_base(snapshot, {**HARDWARE, "attention": attention})
    assert can_branch(model)
    many = [*sequences(), *((c, Scored(s.number + 4, s.tokens, s.scored)) for c, s in sequences((1, 2)))]
    with torch.no_grad():  # the likeliest continuation of the first context
        best = int(model(torch.tensor([CONTEXT])).logits[0, -1].argmax())
    many.append((CONTEXT, Scored(8, [*CONTEXT, best], 1)))
    for longest, size in ((100, 100), (7, 3)):
        found: dict[int, tuple[float, bool]] = {}
        for batch in batches_of(rows_of(many, longest), size, 1e9):
            found |= loglikelihoods(model, batch, None)
        assert len(found) == 9
        for _, sequence in many:
            value, likeliest = alone(model, sequence)
            assert found[sequence.number] == (pytest.approx(value, abs=1e-4), likeliest)
        assert found[8][1]


@pytest.mark.parametrize("family", FAMILIES)
def test_in_every_family_options_score_as_they_do_alone(family: str) -> None:
    """Where a token sees the columns next to it, and not those next to it in its own sequence, one by one."""
    model = tiny(family)
    branches = can_branch(model)
    assert branches == (family not in {"gemma2", "gemma3", "gemma3_text", "gpt_neo", "cohere2"})
    asked = sequences() if branches else []
    found = loglikelihoods(model, rows_of(asked, 100), None) if asked else {}
    for _, sequence in asked:
        assert found[sequence.number][0] == pytest.approx(alone(model, sequence)[0], abs=1e-4)


def test_the_harness_own_way_gives_the_same(tiny_llama: Path, tmp_path: Path) -> None:
    folder = write_adapter(tiny_llama, tmp_path / "p0", 1)
    model = load_policies(load_base(tiny_llama, HARDWARE), {"p0": folder}, model="tiny")
    lm = language_model(model, load_tokenizer(tiny_llama), chat=True, batch=3)
    long = [30 + i % 50 for i in range(300)]  # the model reads 256: the beginning is cut
    asked = [(("c", "o"), list(context), s.tokens[len(context) :]) for context, s in sequences()]
    asked += [(("c", "o"), long, [9, 8]), (("c", "o"), long, [9, 7])]
    with active(model, "p0"):
        shared = lm._loglikelihood_tokens(asked, disable_tqdm=True)
        lm._branching = False
        one_by_one = lm._loglikelihood_tokens(asked, disable_tqdm=True)
    assert [value for value, _ in shared] == pytest.approx([value for value, _ in one_by_one], abs=1e-4)
    assert [greedy for _, greedy in shared] == [greedy for _, greedy in one_by_one]
    assert len({round(value, 3) for value, _ in shared}) == 6


@pytest.mark.parametrize(
    "changed",
    [
        {"_attn_implementation": "flash_attention_2"},
        {"sliding_window": 128},
        {"layer_types": ["full_attention", "sliding_attention"]},
        {"layer_types": ["linear_attention", "full_attention"]},
        {"attention_layers": ["global", "local"]},
        {"alibi": True},
    ],
)
def test_models_with_another_attention_score_one_by_one(tiny_llama: Path, changed: dict[str, object]) -> None:
    model = load_base(tiny_llama, HARDWARE)
    for name, value in changed.items():
        setattr(model.config, name, value)
    assert not can_branch(model)


def test_a_window_that_is_not_used_is_none(tiny_llama: Path) -> None:
    model = load_base(tiny_llama, HARDWARE)
    model.config.sliding_window, model.config.use_sliding_window = 128, False  # as Qwen's configurations
    assert can_branch(model)


def test_models_without_positions_or_with_a_state_score_one_by_one(tiny_llama: Path) -> None:
    class Positionless(type(load_base(tiny_llama, HARDWARE))):  # type: ignore[misc]
        def forward(self, input_ids: torch.Tensor) -> SimpleNamespace:
            return SimpleNamespace()

    model = load_base(tiny_llama, HARDWARE)
    model._is_stateful = True
    assert not can_branch(model)
    model._is_stateful = False
    model.__class__ = Positionless
    assert not can_branch(model)
