"""A model from nothing: tokenizer, padding, steps and the dev measure."""

from copy import deepcopy

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from workflow.lib.chat import check_contract, render, token_ids
from workflow.lib.scratch import (
    ANSWER_TOKENS,
    backward,
    measure,
    new_model,
    pad,
    train_steps,
    train_tokenizer,
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(["Question: Is it so?\nNow it is. Therefore the answer is yes."] * 3, 300, 64)


@pytest.fixture
def model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return new_model(
        tokenizer, hidden_size=64, layers=1, intermediate_size=64, context=64, initializer_range=0.02
    )


def test_the_chat_template_keeps_the_contract(tokenizer: PreTrainedTokenizerFast) -> None:
    check_contract(tokenizer, "scratch")
    whole = render(tokenizer, "So?", "Yes.")
    assert whole == "<s><|im_start|>user\nSo?<|im_end|>\n<|im_start|>assistant\nYes.<|im_end|>"
    assert token_ids(tokenizer, whole)[-1] == tokenizer.eos_token_id
    assert len({tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}) == 3


def test_any_text_comes_back_from_its_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    text = "Größe, 問 and\n tabs\t."
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_pad_fills_on_the_right() -> None:
    assert pad([[1, 2], [3]], 0).tolist() == [[1, 2], [3, 0]]


def test_padding_and_halves_change_no_loss_and_no_gradient(model: LlamaForCausalLM) -> None:
    rows = [
        [1, *range(start, start + length)] for start, length in ((5, 9), (20, 2), (30, 4), (40, 3), (50, 7))
    ]
    alone = deepcopy(model)
    sums = [alone(input_ids=pad([row], 0), labels=pad([row], 0)).loss * (len(row) - 1) for row in rows]
    mean = sum(sums) / 25  # every token but the first of each row is predicted
    mean.backward()
    assert backward(model, rows) == pytest.approx(mean.item(), rel=1e-5)
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter.grad, alone.get_parameter(name).grad, rtol=1e-4, atol=1e-6), name


def test_a_batch_of_one_row_has_no_shorter_half(model: LlamaForCausalLM) -> None:
    row = [[1, 5, 6, 7]]
    assert backward(model, row) == pytest.approx(model(input_ids=pad(row, 0), labels=pad(row, 0)).loss.item())


def test_steps_learn_a_text_by_heart_and_the_measure_sees_it(model: LlamaForCausalLM) -> None:
    row = [1, 20, 21, 22, 23, 24, 25, 26]
    assert measure(model, [row], [2], 0).proof == 0.0
    losses = list(train_steps(model, iter([[row]] * 60), 60, 5, 1e-2))
    after = measure(model, [row], [2], 60)
    assert losses[-1] < 0.1 < losses[0]
    assert (after.step, after.proof, after.answer) == (60, 1.0, 1.0)


def test_the_measure_tells_the_proof_from_the_answer(model: LlamaForCausalLM) -> None:
    row = [1, 20, 21, 22, 23, 24, 25, 26]
    list(train_steps(model, iter([[row]] * 60), 60, 5, 1e-2))
    other = [*row]
    other[-ANSWER_TOKENS] = 30  # another answer after the same proof
    assert (measure(model, [other], [2], 0).proof, measure(model, [other], [2], 0).answer) == (1.0, 0.0)
