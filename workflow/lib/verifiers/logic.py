"""Puzzles about what follows and who tells the truth."""

import json
import re
from collections.abc import Sequence
from functools import reduce
from operator import and_
from typing import Any

from workflow.lib.generators.semantics import atoms_of, truth_columns, truth_table
from workflow.lib.verifiers.formulas import formula

FILLERS = frozenset({"is", ":", "a", "an"})
MOST_VARIABLES = 12  # of one puzzle: a truth table of 4096 rows


def propositional_logic(answer: str, instance: str) -> bool:
    """Return whether ``answer`` follows from the premises and says something: it is no tautology.

    The verdict depends on the meaning alone. So a premise said again is right, and where the premises
    contradict each other anything is.

    Args:
        answer: ``"(Q ∧ P)"``; ``&``, ``|``, ``~``, ``->`` and ``<->`` are read too.
        instance: JSON ``{"premises": ["(¬Q ∧ P)", …], "variables": ["P", "Q"]}``.
    """
    puzzle = json.loads(instance)
    premises = [formula(text) for text in puzzle["premises"]]
    variables = {("atom", name) for name in puzzle["variables"]}
    try:
        claim = formula(answer)
    except ValueError:
        return False
    if not set(atoms_of(claim)) <= variables or len(variables) > MOST_VARIABLES:
        return False
    columns, full = truth_columns([*premises, claim])
    models = reduce(and_, (truth_table(premise, columns, full) for premise in premises), full)
    held = truth_table(claim, columns, full)
    return models & held == models and held != full


def knights_knaves(answer: str, instance: str) -> bool:
    """Return whether ``answer`` says of everybody what they are, so that just the truthful speak the truth.

    Args:
        answer: "Ann is a knight, and Bob is a knave.", in any order and in one line or more.
        instance: JSON ``{"names": […], "statements": […], "knight_knave_terms": {"knight": "sage", "knave":
            "fool"}}``; statement i is said by name i, as ``["and", ["lying", 0], ["telling-truth", 1]]``.
    """
    puzzle = json.loads(instance)
    people = [str(name).casefold() for name in puzzle["names"]]
    truthful, liar = (puzzle["knight_knave_terms"][key].casefold() for key in ("knight", "knave"))
    said = _said(answer, people, (truthful, liar))
    roles = dict(said)
    if len(said) != len(roles) or sorted(roles) != sorted(people):
        return False
    truths = [roles[name] == truthful for name in people]
    return truths == [_holds(statement, truths) for statement in puzzle["statements"]]


def _said(answer: str, people: Sequence[str], terms: Sequence[str]) -> set[tuple[str, str]]:
    """Return who is called what in ``answer``; "Ann is a knight/knave" calls her nothing."""
    words = re.findall(r"\w+|[:/]", answer.casefold())
    said = set()
    for place, word in enumerate(words):
        if word in people:
            role, after = ([w for w in words[place + 1 : place + 6] if w not in FILLERS] + ["", ""])[:2]
            if role in terms and after not in ("/", "or"):
                said.add((word, role))
    return said


def _holds(statement: list[Any], truths: list[bool]) -> bool:
    """Return whether a statement is true where ``truths[i]`` tells whether person i is truthful."""
    kind, *parts = statement
    if kind in ("telling-truth", "lying"):
        return truths[int(parts[0])] is (kind == "telling-truth")
    held = [_holds(part, truths) for part in parts]
    match kind:
        case "not":
            return not held[0]
        case "and":
            return all(held)
        case "or":
            return any(held)
        case "->":
            return not held[0] or held[1]
        case "<=>":
            return held[0] == held[1]
    raise ValueError(f"no such statement: {kind}")
