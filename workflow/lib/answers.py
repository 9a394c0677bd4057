"""Answers in text: find the last one stated, bring it to canonical form, and judge it.

An answer that cannot be read is its own class, never "no": on LogicBench two thirds of gold is "no".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workflow.lib.verifiers import VERIFIERS

STATED = re.compile(r"\banswer\s*(?:is|:)", re.IGNORECASE)
THOUGHT = re.compile(r"^.*</think>", re.DOTALL)
EDGE = " \t\"'`*()[]{}.,:;!"


@dataclass(frozen=True)
class Judgement:
    """A parsed answer (``None``: nothing could be read) and whether it is right."""

    parsed: str | None
    right: bool


def last_answer(text: str) -> str | None:
    """Return what follows the last "answer is" or "answer:" in ``text``, outside of thought tags."""
    spoken = THOUGHT.sub("", text)
    ends = [match.end() for match in STATED.finditer(spoken)]
    stated = spoken[ends[-1] :].strip().partition("\n")[0].strip(EDGE) if ends else ""
    return stated or None


def parse_choice(text: str, choices: Sequence[str]) -> str | None:
    """Return the one of ``choices`` that the last stated answer names, or ``None``.

    A letter, as in "(B)", names a choice by its position; otherwise the text must equal a choice or,
    for yes/no and other one-word choices, start with it as a word. Case and punctuation do not count.
    """
    stated = last_answer(text)
    if stated is None:
        return None
    plain = stated.casefold()
    names = {choice.casefold().strip(EDGE): choice for choice in choices}
    letters = {chr(ord("a") + i): choice for i, choice in enumerate(choices)}
    if plain in names:
        return names[plain]
    first = re.split(r"\W+", plain, maxsplit=1)[0]
    return names[first] if first in names else letters.get(plain)


def judge(
    text: str, *, choices: Sequence[str], answer: str | None, verifier: str, instance: str
) -> Judgement:
    """Judge the answer that ``text`` states: by the verifier of that name, or against gold."""
    if verifier != "gold":
        stated = last_answer(text)
        right = stated is not None and VERIFIERS[verifier](stated, instance)
        return Judgement(stated, right)
    parsed = parse_choice(text, choices) if choices else last_answer(text)
    return Judgement(parsed, parsed is not None and parsed == answer)
