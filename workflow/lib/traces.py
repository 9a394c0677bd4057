"""Traces of models that think aloud: where the thought ends, and what is in the last box."""

import re
from dataclasses import dataclass

OPENING = re.compile(r"<think>|<\|begin_of_thought\|>")
CLOSING = re.compile(r"</think>|<\|end_of_thought\|>")
TAG = re.compile(f"{OPENING.pattern}|{CLOSING.pattern}")
SOLUTION = re.compile(r"<\|(?:begin|end)_of_solution\|>")
BRACE = re.compile(r"(?P<box>\\boxed\s*\{)|\\.|[{}]", re.DOTALL)


@dataclass(frozen=True)
class Thought:
    """A model's text, divided."""

    thought: str  # without its tags; several blocks stand one below the other
    completion: str  # what follows the last thought
    complete: bool  # neither the thought nor the solution was cut


def split_thought(text: str) -> Thought:
    """Divide ``text`` at its last closing tag; without any tag, all of it is the completion.

    The opening tag may be missing: chat templates put it into the prompt. A text that ends inside a
    thought was cut: it has no completion.
    """
    end = max((match.end() for match in CLOSING.finditer(text)), default=0)
    spoken = text[end:]
    if OPENING.search(spoken):
        return Thought(_without_tags(text), "", complete=False)
    cut = "<|begin_of_solution|>" in spoken and "<|end_of_solution|>" not in spoken
    return Thought(_without_tags(text[:end]), SOLUTION.sub("", spoken).strip(), complete=not cut)


def boxed(text: str) -> str | None:
    r"""Return what is in the last ``\boxed{…}`` of ``text``, inner braces included; a cut box is none."""
    opened: list[int] = []  # where the content of each open box starts; -1 for other braces
    last, content = -1, None
    for match in BRACE.finditer(text):
        if match["box"]:
            opened.append(match.end())
        elif match[0] == "{":
            opened.append(-1)
        elif match[0] == "}" and opened:
            start = opened.pop()
            if start > last:
                last, content = start, text[start : match.start()].strip()
    return content or None


def _without_tags(text: str) -> str:
    parts = (part.strip() for part in TAG.split(text))
    return "\n\n".join(part for part in parts if part)
