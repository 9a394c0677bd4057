"""Solved examples for few-shot prompts (Brown et al. 2020, arXiv 2005.14165), drawn from train alone.

An example is a problem with its gold answer and no rationale: no dataset here has rationales that anybody
checked, and an unchecked one would teach its mistakes. So examples show the form of question and answer;
the steps are the teacher's own.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workflow.lib.errors import DataError
from workflow.lib.records import Problem


@dataclass(frozen=True)
class ExampleSettings:
    """The section ``prompts.examples`` of the config."""

    count: int  # examples in one prompt
    seed: int  # of their choice


@dataclass(frozen=True)
class Example:
    """A solved problem, as a prompt file sees it."""

    context: str
    question: str
    choices: list[str]
    answer: str


class Examples:
    """The problems of train that may be shown solved, and the choice among them.

    Problems stand in an order made by a hash of the seed; one that is asked starts at a place made by a hash
    of the seed and its own id, and takes what follows: first of its rule, then of its category, then any. One
    group gives one example, and the group of the asked problem none.
    """

    def __init__(self, train: Sequence[Problem], settings: ExampleSettings) -> None:
        """Sort the problems of ``train`` that have a gold answer."""
        self._settings = settings
        solved = [p for p in train if p.answer is not None]
        self._pools: dict[tuple[str, ...], list[Problem]] = defaultdict(list)
        for problem in sorted(solved, key=lambda p: self._number(p.problem_id)):
            for key in _keys(problem):
                self._pools[key].append(problem)

    def of(self, asked: Problem) -> list[Example]:
        """Return the examples for ``asked``.

        Raises:
            DataError: Train has too few groups of problems with a gold answer.
        """
        taken = {asked.group_id}
        found: list[Example] = []
        for problem in self._candidates(asked):
            if len(found) == self._settings.count:
                break
            if problem.group_id not in taken:
                taken.add(problem.group_id)
                found.append(Example(problem.context, problem.question, problem.choices, str(problem.answer)))
        if len(found) < self._settings.count:
            raise DataError(
                f"prompts.examples.count: expected {self._settings.count} groups of solved problems in train "
                f"beside that of {asked.problem_id}, found {len(found)}. Fix: lower the count, or leave out "
                "the prompts that see examples."
            )
        return found

    def _candidates(self, asked: Problem) -> Iterator[Problem]:
        for key in _keys(asked):
            pool = self._pools.get(key, [])
            start = self._number("asked", asked.problem_id)
            yield from (pool[(start + step) % len(pool)] for step in range(len(pool)))

    def _number(self, *parts: str) -> int:
        text = "\x1f".join(["example", str(self._settings.seed), *parts])
        return int(hashlib.sha256(text.encode()).hexdigest()[:16], 16)


def _keys(problem: Problem) -> list[tuple[str, ...]]:
    """Return the pools that a problem is in, the nearest first."""
    return [(problem.category, problem.rule), (problem.category,), ()]
