"""Answers in text: find the last one stated, bring it to canonical form, and judge it.

An answer is stated as "the answer is …", "answer: …", or in a JSON object with the key "answer".

An answer that cannot be read is its own class, never "no": on LogicBench two thirds of gold is "no".
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflow.lib.traces import boxed, split_thought
from workflow.lib.verifiers.registry import IN_LINES, IN_SYMBOLS, VERIFIERS

STATED = re.compile(r"\banswer\s*(?:is|:)", re.IGNORECASE)
KEYED = re.compile(r'"answer"\s*:')  # where a JSON object may state one
OBJECT = re.compile(r'\{\s*"')  # where one may start
JSON = json.JSONDecoder(strict=False)  # models break lines inside of strings
MARKS = " \t\"'`*.,:;!"  # around an answer, and no part of it
EDGE = MARKS + "()[]{}"


@dataclass(frozen=True)
class Judgement:
    """A parsed answer (``None``: nothing could be read) and whether it is right."""

    parsed: str | None
    right: bool


def last_answer(text: str, edge: str = EDGE) -> str | None:
    """Return the line after the last "answer is" or "answer:" in ``text``, outside of closed thoughts.

    Args:
        text: All that the model wrote.
        edge: Characters at both ends that are no part of the answer.
    """
    return _after_the_last_mention(text).strip().partition("\n")[0].strip(edge) or None


def last_lines(text: str) -> str | None:
    """Return the lines after the last "answer is" or "answer:" in ``text``, up to an empty one."""
    stated = _after_the_last_mention(text).strip(MARKS + "\r\n")
    return re.split(r"\n[ \t\r]*\n", stated, maxsplit=1)[0] or None


def _after_the_last_mention(text: str) -> str:
    found = split_thought(text)
    spoken = found.completion if found.complete else text  # some models never close their thought
    said = max((match.end() for match in STATED.finditer(spoken)), default=0)
    key = max((match.end() for match in KEYED.finditer(spoken)), default=0)
    end, value = answer_in_json(spoken) if key else (0, "")
    if key > max(said, end):
        return ""  # the last object is cut or broken: what stands before it is not the answer
    return value if end > said else spoken[said:] if said else ""


def answer_in_json(text: str) -> tuple[int, str]:
    """Return where the last JSON object with the key "answer" ends in ``text``, and what it states.

    Objects inside of objects are parts of them. A value that is no string is given as JSON writes it. Where
    there is no such object, the place is 0.
    """
    found = 0, ""
    start = OBJECT.search(text)
    while start:
        try:
            content, end = JSON.raw_decode(text, start.start())
            if "answer" in content:
                answer = content["answer"]
                found = end, answer if isinstance(answer, str) else json.dumps(answer)
        except ValueError:
            end = start.end()
        except RecursionError:  # nobody answers in a thousand levels
            break
        start = OBJECT.search(text, end)
    return found


def stated_for(verifier: str, text: str) -> str | None:
    """Return the answer stated in ``text``, as much of it as that verifier reads, or ``None``."""
    if verifier in IN_LINES:
        return last_lines(text)
    return last_answer(text, MARKS if verifier in IN_SYMBOLS else EDGE)


def final_answer(text: str) -> str | None:
    r"""Return the answer of a trace: its last ``\boxed{…}``, or else what ``last_answer`` finds."""
    return boxed(split_thought(text).completion) or last_answer(text)


def plain(text: str) -> str:
    """Return ``text`` as answers are compared: without case, spacing, and punctuation at its ends."""
    return " ".join(text.casefold().split()).strip(EDGE)


def read_alike(choices: Sequence[str]) -> bool:
    """Return whether two of ``choices`` are the same to ``parse_choice``."""
    return len({plain(choice) for choice in choices}) < len(choices)


def parse_choice(text: str, choices: Sequence[str]) -> str | None:
    """Return the one of ``choices`` that the last stated answer names, or ``None``.

    A letter, as in "(B)", names a choice by its position; otherwise the text must equal a choice or,
    for yes/no and other one-word choices, start with it as a word. Case and punctuation do not count. A
    choice that has "the answer is" in its own words counts where ``text`` ends with it.
    """
    last = last_answer(text)
    if last is None:
        return None
    stated = plain(last)
    names = {plain(choice): choice for choice in choices}
    letters = {chr(ord("a") + i): choice for i, choice in enumerate(choices)}
    if stated in names:
        return names[stated]
    quoted = [name for name in names if STATED.search(name) and plain(text).endswith(name)]
    if quoted:
        return names[max(quoted, key=len)]
    first = re.split(r"\W+", stated, maxsplit=1)[0]
    return names[first] if first in names else letters.get(stated)


def judge(
    text: str, *, choices: Sequence[str], answer: str | None, verifier: str, instance: str
) -> Judgement:
    """Judge the answer that ``text`` states: by the verifier of that name, or against gold.

    Of a passage that is continued, which has no verifier, nothing is right.
    """
    if not verifier:
        return Judgement(None, False)
    if verifier != "gold":
        stated = stated_for(verifier, text)
        right = stated is not None and VERIFIERS[verifier](stated, instance)
        return Judgement(stated, right)
    if choices:
        parsed = parse_choice(text, choices)
        return Judgement(parsed, parsed is not None and parsed == answer)
    stated = last_answer(text)
    right = stated is not None and answer is not None and plain(stated) == plain(answer)
    return Judgement(answer if right else stated, right)


def judge_all(texts: Sequence[str], problem: Mapping[str, Any]) -> list[Judgement]:
    """Judge each of ``texts`` as an answer to ``problem``, a row with the columns of ``Problem``."""
    about = {name: problem[name] for name in ("choices", "answer", "verifier", "instance")}
    return [judge(text, **about) for text in texts]
