"""Groups of answers: which prompts come when, whose problem an answer is graded by, where a token stands."""

from pathlib import Path

import pytest
import torch

from tests.tiny_gpt2 import write_tiny_gpt2
from tests.training import HARDWARE
from workflow.lib.groups import Turns, carried, count_seen, reward_function
from workflow.lib.models import load_base, load_tokenizer
from workflow.lib.records import Prompt
from workflow.lib.rewards import KINDS, Asked, Means, Reward, Special


def test_every_prompt_comes_once_per_pass_and_none_is_left_out() -> None:
    """5 prompts, 2 at a time, 3 answers each, every batch twice: 5 batches are two passes."""
    turns = Turns(5, batch=2, group=3, repeats=2, batches=5, seed=1)
    drawn = list(turns)
    assert len(drawn) == len(turns) == 2 * 3 * 2 * 5
    batches = [drawn[i : i + 12] for i in range(0, len(drawn), 12)]
    assert all(batch[:6] == batch[6:] for batch in batches)
    assert all(len(set(batch[i : i + 3])) == 1 for batch in batches for i in (0, 3))
    asked = [row for batch in batches for row in batch[:6:3]]
    assert sorted(asked[:5]) == sorted(asked[5:]) == list(range(5))
    assert asked[:5] != asked[5:]
    assert list(turns) == drawn  # as on resuming
    assert list(Turns(5, batch=2, group=3, repeats=2, batches=5, seed=2)) != drawn


def prompt(answer: str) -> Prompt:
    """Return a question with that answer."""
    about = {"problem_id": "p", "group_id": "g", "split": "train", "category": "c", "prompt": "Is it so?"}
    return Prompt(**about, row_id=answer, choices=["yes", "no"], answer=answer, verifier="gold", instance="")


def test_an_answer_is_graded_by_its_own_problem(tiny_llama: Path) -> None:
    """Gold is yes, no; the same text to both; a wrong one; one without an end, which says nothing yet."""
    tokenizer = load_tokenizer(tiny_llama)
    special = Special(eos=tokenizer.eos_token_id, pad=0, tail=[])
    means = Means(None, tokenizer, special, {}, {}, HARDWARE)  # type: ignore[arg-type]
    check = KINDS["verifier"]({"kind": "verifier", "unparsed": -0.5}, means)
    reward = Reward({"check": check}, {"check": 2.0}, held_out=None)
    asked = [Asked([1], prompt("yes")), Asked([2], prompt("no"))]
    score = reward_function(reward, asked, special, penalty=0.25, micro=3)
    ids = [tokenizer.encode(text) for text in ("answer: yes", "answer: yes", "answer: no", "ans")]
    answers = [[*ids[0], special.eos], [*ids[1], special.eos], [*ids[2], special.eos], ids[3]]
    told: dict[str, float] = {}
    scores = score(prompts=["?"] * 4, completion_ids=answers, row=[0, 1, 1, 0], log_metric=told.__setitem__)
    assert scores == [2.0, 0.0, 2.0, -1.0 - 0.25]
    assert told == {"score": pytest.approx((2.0 + 0.0 + 2.0 - 1.0) / 4), "repetition": 0.0}


def test_padding_to_the_left_moves_no_position(tmp_path: Path) -> None:
    """GPT-2 numbers its positions; unless it is told, it counts the padding."""
    model = load_base(write_tiny_gpt2(tmp_path / "gpt2"), HARDWARE)
    row, seen = torch.tensor([[0, 0, 0, 9, 5, 7]]), torch.tensor([[0, 0, 0, 1, 1, 1]])
    with torch.no_grad():
        alone = model(row[:, 3:]).logits
        assert not torch.allclose(model(input_ids=row, attention_mask=seen).logits[:, 3:], alone, atol=1e-3)
        count_seen(model)
        torch.testing.assert_close(model(input_ids=row, attention_mask=seen).logits[:, 3:], alone)
        own = torch.tensor([[5, 5, 5, 0, 1, 2]])  # whoever names positions is listened to
        named = model(input_ids=row, attention_mask=seen, position_ids=own).logits[:, 3:]
        torch.testing.assert_close(named, alone)


def test_a_step_is_told_with_the_answers_that_it_learns_from() -> None:
    history = [{"step": 1, "reward": 0.5}, {"step": 2}, {"step": 3, "reward": 0.75}]
    assert carried(history) == [
        {"step": 1, "reward": 0.5},
        {"step": 2, "reward": 0.5},
        {"step": 3, "reward": 0.75},
    ]
