"""A model from nothing: tokenizer, padding, steps and the dev measure."""

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from workflow.lib.chat import check_contract, render, token_ids
from workflow.lib.scratch import (
    ANSWER_TOKENS,
    IGNORED,
    in_rows,
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


def steps_of(model: LlamaForCausalLM, batches: list[list[list[int]]]) -> list[float]:
    return list(train_steps(model, iter(batches), steps=len(batches), warmup=5, matrix_rate=1e-2, rate=1e-2))


def test_texts_fill_rows_longest_first_and_begin_at_position_0() -> None:
    found = in_rows([[1, 5], [1, 2, 3], [1, 7, 8, 9]], 6)
    assert {name: tensor.tolist() for name, tensor in found.items()} == {
        "input_ids": [[1, 7, 8, 9, 1, 5], [1, 2, 3, 0, 0, 0]],
        "position_ids": [[0, 1, 2, 3, 0, 1], [0, 1, 2, 0, 0, 0]],
        "labels": [
            [IGNORED, 7, 8, 9, IGNORED, 5],
            [IGNORED, 2, 3, IGNORED, IGNORED, IGNORED],
        ],
    }
    assert in_rows([[1, 2, 3]], 2)["input_ids"].tolist() == [[1, 2, 3]]


def test_texts_in_one_row_do_not_see_each_other(model: LlamaForCausalLM) -> None:
    texts = [[1, 5, 6, 7], [1, 8, 9, 10, 11, 12], [1, 20, 21, 22]]
    together = float(next(train_steps(model, iter([texts]), steps=1, warmup=0, matrix_rate=0.0, rate=0.0)))
    assert len(in_rows(texts, 128)["input_ids"]) == 1
    losses = [float(model(input_ids=pad([r], 0), labels=pad([r], 0)).loss) for r in texts]
    weighted = (losses[0] * 3 + losses[1] * 5 + losses[2] * 3) / 11  # 3, 5 and 3 tokens are predicted
    assert together == pytest.approx(weighted, rel=1e-5)


def test_both_optimizers_move_their_parameters(model: LlamaForCausalLM) -> None:
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    steps_of(model, [[[1, 20, 21, 22]]] * 6)
    assert [name for name, p in model.named_parameters() if torch.equal(p, before[name])] == []


def test_steps_learn_a_text_by_heart_and_the_measure_sees_it(model: LlamaForCausalLM) -> None:
    row = [1, 20, 21, 22, 23, 24, 25, 26]
    assert measure(model, [row], [2], 0).proof == 0.0
    losses = steps_of(model, [[row]] * 60)
    after = measure(model, [row], [2], 60)
    assert losses[-1] < 0.1 < losses[0]
    assert (after.step, after.proof, after.answer) == (60, 1.0, 1.0)


def test_the_measure_tells_the_proof_from_the_answer(model: LlamaForCausalLM) -> None:
    row = [1, 20, 21, 22, 23, 24, 25, 26]
    steps_of(model, [[row]] * 60)
    other = [*row]
    other[-ANSWER_TOKENS] = 30  # another answer after the same proof
    assert (measure(model, [other], [2], 0).proof, measure(model, [other], [2], 0).answer) == (1.0, 0.0)
