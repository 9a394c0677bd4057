"""Rows from records that bring their texts along: pairs that people voted on, and passages to continue.

Nothing is sampled and nothing is judged. A pair is left out, and told, when it cannot teach which answer is
better: a side is empty, both sides are the same, or the same two answers stand in both orders.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from workflow.lib.pairing import Asked, Choice, distinct, step, take
from workflow.lib.records import GivenPair, Passage, Problem
from workflow.lib.sides import Completion

Render = Callable[[Problem], str]


def asking(record: GivenPair | Passage, question: str) -> Problem:
    """Return ``record`` as a problem with that question, without choices, gold or verifier."""
    return Problem(
        problem_id=record.problem_id,
        group_id=record.group_id,
        dataset=record.dataset,
        category=record.category,
        rule=record.rule,
        context="",
        question=question,
        choices=[],
        answer=None,
        verifier="",
        instance="",
        planted="",
        source=record.source,
    )


def completion(text: str, problem_id: str) -> Completion:
    """Return a text of which nothing else is known."""
    return Completion(text.strip(), problem_id, votes=None, logprob=None)


def teaches_nothing(pairs: Sequence[GivenPair]) -> dict[str, list[str]]:
    """Return the ids of the pairs that cannot teach which answer is better, by reason."""
    texts = {p.problem_id: (p.question, p.chosen.strip(), p.rejected.strip()) for p in pairs}
    orders = set(texts.values())
    empty = [key for key, (_, better, worse) in texts.items() if not better or not worse]
    same = [key for key, (_, better, worse) in texts.items() if better == worse and better]
    both = [
        key
        for key, (question, better, worse) in texts.items()
        if better != worse and (question, worse, better) in orders and key not in empty
    ]
    return {
        "a side is empty": empty,
        "both sides are the same text": same,
        "the same two answers stand in both orders": both,
    }


def questions(pairs: Iterable[GivenPair]) -> list[list[GivenPair]]:
    """Return the pairs of each question, both in the order of their ids."""
    found: dict[tuple[str, str], list[GivenPair]] = {}
    for pair in sorted(pairs, key=lambda pair: pair.problem_id):
        found.setdefault((pair.group_id, pair.question), []).append(pair)
    return list(found.values())


def ask_pairs(pairs: Sequence[GivenPair], split: str, render: Render, choice: Choice) -> list[Asked]:
    """Return every question with its pairs; what is chosen in one is a completion to imitate."""
    out = {key for keys in teaches_nothing(pairs).values() for key in keys}
    asked = []
    for group in questions(pair for pair in pairs if pair.problem_id not in out):
        problem = asking(group[0], group[0].question)
        options = [
            (completion(pair.chosen, pair.problem_id), completion(pair.rejected, pair.problem_id))
            for pair in group
        ]
        good = distinct(better for better, _ in options)
        asked.append(take(problem, split, render(problem), good, options, len(options), choice))
    return asked


def ask_passages(passages: Iterable[Passage], split: str, render: Render, choice: Choice) -> list[Asked]:
    """Return every passage as its first tokens, and the rest of it as the completion to imitate.

    A prompt that ends within a word gives none: completions are trimmed, and templates set them apart.
    """
    asked = []
    for passage in sorted(passages, key=lambda passage: passage.problem_id):
        problem = asking(passage, passage.prompt)
        rest = passage.text.removeprefix(passage.prompt)
        apart = rest[:1].isspace() or passage.prompt[-1:].isspace()
        good = [completion(rest, passage.problem_id)] if apart and rest.strip() else []
        asked.append(take(problem, split, render(problem), good, [], len(good), choice))
    return asked


def pair_steps(pairs: int, left_out: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Return the steps of the funnel from ``pairs`` pairs to those that teach something."""
    steps = []
    for reason, keys in left_out.items():
        steps.append(step(f"without pairs where {reason}", pairs, pairs - len(keys), reason))
        pairs -= len(keys)
    return steps
