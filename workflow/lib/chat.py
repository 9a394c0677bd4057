"""One rendering of a prompt for sampling, training and scoring: the model's own chat template.

Whatever samples, trains or scores goes through ``messages`` and ``render``, so the three cannot drift
apart; ``check_contract`` fails a model whose template would train or score something else. A teacher is only
asked, so ``check_questions`` is all that its template must satisfy.
"""

from typing import Any, Protocol

from jinja2 import TemplateError

from workflow.lib.errors import DataError


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer used here."""

    chat_template: Any
    bos_token_id: int | None
    eos_token_id: int | None

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: Any) -> Any:
        """Render or tokenise a conversation."""

    def encode(self, text: str, **options: Any) -> list[int]:
        """Tokenise text."""


def messages(prompt: str, completion: str | None = None) -> list[dict[str, str]]:
    """Return the conversation of one user turn and, if given, one assistant turn."""
    turns = [{"role": "user", "content": prompt}]
    return turns if completion is None else [*turns, {"role": "assistant", "content": completion}]


def render(tokenizer: Tokenizer, prompt: str, completion: str | None = None) -> str:
    """Return the text the model sees: up to the assistant's turn, or with that turn closed."""
    return str(
        tokenizer.apply_chat_template(
            messages(prompt, completion), tokenize=False, add_generation_prompt=completion is None
        )
    )


def token_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """Return the tokens of a rendered text; the template, not the tokenizer, places BOS."""
    return tokenizer.encode(text, add_special_tokens=False)


def check_questions(tokenizer: Tokenizer, model: str) -> None:
    """Fail unless the template puts one BOS at most into a prompt: enough for a model that is only asked.

    ``check_contract`` asks for more. A template that opens a thought before the answer (DeepSeek-R1) renders
    a prompt differently once its completion is known, and one that closes turns with a mark other than the
    tokenizer's EOS (Gemma) leaves the end to the model's generation config, which vLLM reads.

    Raises:
        DataError: The template is missing or repeats BOS.
    """
    if not tokenizer.chat_template:
        raise DataError(f"model '{model}': no chat template. Fix: take the instruction-tuned model.")
    try:
        prompt = render(tokenizer, "Is it so?")
    except TemplateError as error:
        raise DataError(f"model '{model}': chat template: {error}. Fix: take another revision.") from error
    _check_bos(tokenizer, prompt, model)


def check_contract(tokenizer: Tokenizer, model: str) -> None:
    """Fail unless the template gives one BOS (if the model has one), ends a turn in EOS, and keeps prefixes.

    Raises:
        DataError: The template is missing, repeats BOS, leaves EOS out, or renders a prompt
            differently when its completion is known.
    """
    check_questions(tokenizer, model)
    prompt, whole = render(tokenizer, "Is it so?"), render(tokenizer, "Is it so?", "It is.")
    _check_bos(tokenizer, whole, model)
    if tokenizer.eos_token_id not in token_ids(tokenizer, whole)[len(token_ids(tokenizer, prompt)) :]:
        raise DataError(f"model '{model}': chat template: the assistant's turn does not end in EOS")
    if not whole.startswith(prompt):
        raise DataError(f"model '{model}': chat template: a prompt changes once its answer is known")


def _check_bos(tokenizer: Tokenizer, text: str, model: str) -> None:
    if tokenizer.bos_token_id is not None and tokenizer.bos_token_id != tokenizer.eos_token_id:
        found = token_ids(tokenizer, text).count(tokenizer.bos_token_id)
        if found > 1:
            raise DataError(f"model '{model}': chat template: expected one BOS, found {found}")
