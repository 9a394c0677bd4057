"""The quality of one rationale, read from its text; what a judge says of it is ``workflow.lib.opinions``.

A rationale is divided into parts, sentences or lines. A part that states the answer ("the answer is",
"answer:", a box) is a statement; every other one is a step. The measures are stored beside the rationale;
a flag is a measure beyond a limit of the config.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from workflow.lib.answers import plain
from workflow.lib.claims import NEGATIONS, answer_in, claim_of, tokens
from workflow.lib.records import Problem, Verified
from workflow.lib.traces import SOLUTION, TAG

STATED = re.compile(r"\banswer\b\W{0,4}\s*(?:is\b|:)|\\boxed\b", re.IGNORECASE)
PART = re.compile(r"(?<=[.!?])\s+|\n+|(?<=\")\s*,\s*(?=\")")  # the last: between the fields of JSON
NUMBERING = re.compile(r"(?:step)?[0-9]{0,3}", re.IGNORECASE)  # all words of a part that only counts
HINTS = re.compile(
    r"\b(?:the|this|your) hint\b"
    r"|\bas (?:given|told|stated|hinted|provided|indicated)\W{1,3}(?:that )?the (?:\w+ )?answer\b"
    r"|\b(?:given|told|know|knowing|since|because) (?:that )?the (?:correct |right )?answer (?:is|was)\b"
    r"|\b(?:given|provided|gold|expected|reference|intended) answer\b"
    r"|\banswer (?:key\b|(?:is|was) (?:already )?(?:given|provided|known)\b(?! by\b))",
    re.IGNORECASE,
)
GRAM = 4  # words
LOOKED_AT = 2  # steps before the answer in which a conclusion is looked for


@dataclass(frozen=True)
class Limits:
    """The section ``rationales.quality`` of the config."""

    repeated_above: float  # share of repeated 4-grams above which a rationale is repetitive
    least_steps: int  # steps under which it is short
    most_words: int  # words above which it is long


@dataclass(frozen=True)
class Reading:
    """A rationale, divided."""

    first: str  # its first part
    steps: list[str]  # parts that do not state the answer
    before: list[str]  # the steps before the last statement, and what stands before it in its own part


def read(text: str) -> Reading:
    """Divide ``text`` at the ends of sentences and lines; tags of thoughts and numbering do not count."""
    spoken = SOLUTION.sub("\n", TAG.sub("\n", text))
    parts = [part for part in map(str.strip, PART.split(spoken)) if _says_something(part)]
    steps, before = [], None
    for part in reversed(parts):
        found = list(STATED.finditer(part))
        if not found:
            steps.append(part)
        elif before is None:
            before = (len(steps), part[: found[-1].start()])
    steps.reverse()
    after, lead = before or (0, "")
    return Reading(parts[0] if parts else "", steps, [*steps[: len(steps) - after], lead])


def _says_something(part: str) -> bool:
    return not NUMBERING.fullmatch("".join(re.findall(r"\w+", part)))


def repetition(text: str) -> float:
    """Return the share of word 4-grams that were there before: seq-rep-4 of Welleck et al. 2020.

    1 − distinct / all (arXiv 1908.04319, section 6); 0 for a text of fewer than four words.
    """
    words = re.findall(r"\w+", text.casefold())
    grams = list(zip(*(words[i:] for i in range(GRAM)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def leaked(text: str, reading: Reading, choices: Sequence[str]) -> bool:
    """Return whether the answer was known before it was reasoned for.

    Either the first part states the answer, or is a choice or its letter, and steps follow; or it starts
    with a choice and a comma or colon; or somewhere there are words as "the hint says" or "given that the
    answer is". An answer without any step is short, not leaked. An opening as "Let us see." is a step.
    """
    first, names = reading.first, [plain(choice) for choice in choices]
    letters = [chr(ord("a") + i) for i in range(len(choices))]
    later = len(reading.steps) - (reading.steps[:1] == [first])
    if later and (STATED.search(first) or plain(first) in names + letters):
        return True
    opening = first.casefold().lstrip("*\"'(")
    opened = any(re.match(re.escape(name) + r"[*\"')]{0,3}[,;:–—]\W*\w", opening) for name in names)
    return opened or bool(HINTS.search(text))


def conclusion_agrees(reading: Reading, problem: Problem, parsed: str | None) -> bool | None:
    """Return whether the answer is what the rationale came to just before it; ``None``: one cannot tell.

    Looked at, in this order, until one of them tells: the words before "the answer is" in its own
    sentence, and the last two steps before it. What tells depends on the problem:

    - yes/no: a clause with every content word of the question's claim, as negated as it or not, or one
      that speaks of truth alone, as "it does not follow" (``workflow.lib.claims.answer_in``);
    - other choices: a step without negation that names just one of them, by its words or as "(B)";
    - anything else: a step that names the answer agrees, and no step disagrees.

    It reads words, not meaning: of premises that happen to have the claim's words it thinks as of a
    conclusion. Use it to count, and look at what it finds before dropping anything by it.
    """
    if parsed is None:
        return None
    recent = reversed(reading.before[-1 - LOOKED_AT :])
    names = {plain(choice): choice for choice in problem.choices}
    claim = claim_of(problem.question)
    for step in recent:
        if set(names) == {"yes", "no"}:
            said = answer_in(step, claim)
        else:
            said = _named(step, problem.choices) if names else _repeated(step, parsed)
        if said is not None:
            return plain(said) == plain(parsed)
    return None


def _named(step: str, choices: Sequence[str]) -> str | None:
    """Return the one choice that ``step`` names, unless there is a negation or another one in it."""
    said = f" {' '.join(tokens(step))} "
    marked = {chr(ord("A") + i): choice for i, choice in enumerate(choices)}
    found = {choice for choice in choices if f" {' '.join(tokens(choice))} " in said}
    found |= {marked[letter] for letter in re.findall(r"\(([A-Z])\)", step) if letter in marked}
    plainly = not NEGATIONS & set(tokens(step))
    return found.pop() if len(found) == 1 and plainly else None


def _repeated(step: str, parsed: str) -> str | None:
    named = f" {' '.join(tokens(parsed))} " in f" {' '.join(tokens(step))} "
    return parsed if named and tokens(parsed) else None


FLAGS: dict[str, Callable[[Verified, Limits], bool]] = {
    "truncated": lambda row, limits: row.finish_reason == "length",
    "leaked": lambda row, limits: row.leaked,
    "repetitive": lambda row, limits: row.repetition > limits.repeated_above,
    "short": lambda row, limits: row.steps < limits.least_steps,
    "long": lambda row, limits: row.words > limits.most_words,
    "disagrees": lambda row, limits: row.conclusion_agrees is False,
    "unsupported": lambda row, limits: row.support == "no",
    "outjudged": lambda row, limits: row.preference == "worse",
}
"""What may be wrong with a rationale; ``rationales.drop`` names those that must not be learned from.

A truncated sample has no answer, so it is never learned from, and cannot be named there.
"""


def flags_of(row: Verified, limits: Limits) -> list[str]:
    """Return the names of all flags that ``row`` has."""
    return [name for name, has in FLAGS.items() if has(row, limits)]
