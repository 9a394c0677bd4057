"""One rendering of a prompt for sampling, training and scoring: the model's own chat template.

Whatever samples, trains or scores goes through ``messages`` and ``render``, so the three cannot drift
apart; ``check_contract`` fails a model whose template would train or score something else.
"""

from typing import Any, Protocol

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


def check_contract(tokenizer: Tokenizer, model: str) -> None:
    """Fail unless the template gives one BOS (if the model has one), ends a turn in EOS, and keeps prefixes.

    Raises:
        DataError: The template is missing, repeats BOS, leaves EOS out, or renders a prompt
            differently when its completion is known.
    """
    if not tokenizer.chat_template:
        raise DataError(f"model '{model}': no chat template. Fix: set 'chat_template' in the config.")
    prompt, whole = render(tokenizer, "Is it so?"), render(tokenizer, "Is it so?", "It is.")
    ids = token_ids(tokenizer, whole)
    if tokenizer.bos_token_id is not None and tokenizer.bos_token_id != tokenizer.eos_token_id:
        found = ids.count(tokenizer.bos_token_id)
        if found > 1:
            raise DataError(f"model '{model}': chat template: expected one BOS, found {found}")
    if tokenizer.eos_token_id not in ids[len(token_ids(tokenizer, prompt)) :]:
        raise DataError(f"model '{model}': chat template: the assistant's turn does not end in EOS")
    if not whole.startswith(prompt):
        raise DataError(f"model '{model}': chat template: a prompt changes once its answer is known")
