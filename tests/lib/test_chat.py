"""What a chat template must satisfy of a model that is only asked, and of one that is trained or scored."""

import pytest
from transformers import PreTrainedTokenizerFast

from workflow.lib.chat import check_contract, check_questions, render
from workflow.lib.errors import DataError
from workflow.lib.scratch import CHAT_TEMPLATE, train_tokenizer

# Of the same form as the templates of two published teachers: one opens a thought in the prompt, the other
# ends turns with a mark that is not the tokenizer's EOS. Both start with BOS.
OPENS_A_THOUGHT = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}U:{{ m.content }}"
    "{% else %}A:{{ m.content + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}A:~{% endif %}"
)
ENDS_WITH_ANOTHER_MARK = (
    "{{ bos_token }}{% for m in messages %}<s_of>{{ m.role }}\n{{ m.content }}<e_of>\n{% endfor %}"
    "{% if add_generation_prompt %}<s_of>assistant\n{% endif %}"
)


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(["Is it so? It is."] * 3, 300, 64)


@pytest.mark.parametrize(
    ("template", "told"),
    [
        pytest.param(OPENS_A_THOUGHT, "a prompt changes once its answer is known", id="opens a thought"),
        pytest.param(ENDS_WITH_ANOTHER_MARK, "the assistant's turn does not end in EOS", id="own mark"),
    ],
)
def test_a_teacher_may_have_a_template_that_no_student_may(
    tokenizer: PreTrainedTokenizerFast, template: str, told: str
) -> None:
    tokenizer.chat_template = template
    check_questions(tokenizer, "m")
    with pytest.raises(DataError, match=f"model 'm': chat template: {told}"):
        check_contract(tokenizer, "m")


def test_a_thought_that_the_prompt_opens_is_where_the_answer_starts(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    tokenizer.chat_template = OPENS_A_THOUGHT
    assert render(tokenizer, "Is it so?") == "<s>U:Is it so?A:~"


def test_two_bos_or_no_template_are_refused_for_both(tokenizer: PreTrainedTokenizerFast) -> None:
    for check in (check_questions, check_contract):
        tokenizer.chat_template = "{{ bos_token }}" + CHAT_TEMPLATE
        with pytest.raises(DataError, match="expected one BOS, found 2"):
            check(tokenizer, "m")
        tokenizer.chat_template = None
        with pytest.raises(DataError, match="no chat template"):
            check(tokenizer, "m")
