"""Puzzles with one right answer, compared after both sides are brought to one form.

The instance is JSON ``{"answer": "4"}``. Whoever names two answers has given none.
"""

import json
import re
from fractions import Fraction

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?")
MARKS = " .,:;!?\"'`*$()[]"
ARTICLE = re.compile(r"^(?:the|an?) ")


def number(answer: str, instance: str) -> bool:
    """Return whether ``answer`` holds one number, as "4", "4.0" or "4 sisters", and it is the right one."""
    words = (part.strip(MARKS) for part in answer.replace("=", " ").split())
    found = {part for part in words if any(mark.isdigit() for mark in part)}
    if not all(NUMBER.fullmatch(part) for part in found):
        return False
    return {Fraction(part) for part in found} == {Fraction(json.loads(instance)["answer"])}


def word(answer: str, instance: str) -> bool:
    """Return whether ``answer`` is the right word or name; case, hyphens and an article do not count."""
    return _plain(answer) == _plain(json.loads(instance)["answer"])


def choice(answer: str, instance: str) -> bool:
    """Return whether ``answer`` starts with the right word of a few, as "Yes, because …"; not "yes or no"."""
    right = re.escape(_plain(json.loads(instance)["answer"]))
    return re.match(rf"{right}\b(?![\s,]*(?:/|or\b|and\b))", _plain(answer)) is not None


def _plain(text: str) -> str:
    return ARTICLE.sub("", " ".join(text.casefold().replace("-", " ").split())).strip(MARKS)
