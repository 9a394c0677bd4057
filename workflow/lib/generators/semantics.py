"""Whether premises settle a question, decided by looking at every model.

A formula is a nested tuple: ``("atom", …)``, ``("not", f)``, ``("and", f, …)``, ``("or", f, …)``,
``("if", f, g)``, and ``("abnormal", …)``, the atom of an exception to a default. A truth table over n
atoms is one integer of 2ⁿ bits, one bit per model, so connectives are bitwise operations.

Quantifiers are grounded by whoever writes the formula over the people named and one more: universal
premises have no other counterexample (constants, and one witness for the question: Bernays-Schönfinkel).
Defaults are read by minimisation: of all models only those with the fewest abnormalities count.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import combinations
from operator import and_, or_
from typing import Any

Formula = tuple[Any, ...]
MOST_ATOMS = 22  # 2²² models are 512 KiB per truth table


def verdict(premises: Sequence[Formula], question: Formula) -> bool | None:
    """Return whether ``question`` holds in every preferred model of ``premises``, in none, or ``None``.

    Premises that share no atom with the question, directly or through others, cannot settle it: they
    are only checked for contradictions.

    Raises:
        ValueError: Premises contradict each other, or more than ``MOST_ATOMS`` atoms hang together.
    """
    tautology = ("or", question, ("not", question))
    answer = None
    for part in components([tautology, *(f for premise in premises for f in conjuncts(premise))]):
        columns, full = truth_columns(part)
        models = reduce(and_, (truth_table(f, columns, full) for f in part), full)
        if not models:
            raise ValueError(f"contradictory premises: {part}")
        if tautology in part:
            models = preferred(models, columns, full)
            held = models & truth_table(question, columns, full)
            answer = True if held == models else False if held == 0 else None
    return answer


def atoms_of(formula: Formula) -> Iterator[Formula]:
    """Yield the atoms in ``formula``."""
    if formula[0] in ("atom", "abnormal"):
        yield formula
    else:
        for part in formula[1:]:
            yield from atoms_of(part)


def conjuncts(formula: Formula) -> Iterator[Formula]:
    """Yield the parts of a conjunction, or ``formula`` itself."""
    if formula[0] == "and":
        for part in formula[1:]:
            yield from conjuncts(part)
    else:
        yield formula


def components(formulas: Sequence[Formula]) -> list[list[Formula]]:
    """Return ``formulas`` in groups that share no atom with each other."""
    groups: list[tuple[set[Formula], list[Formula]]] = []
    for formula in formulas:
        atoms = set(atoms_of(formula))
        joined = [group for group in groups if group[0] & atoms]
        groups = [group for group in groups if not group[0] & atoms]
        groups.append((atoms.union(*(g[0] for g in joined)), [*(f for g in joined for f in g[1]), formula]))
    return [members for _, members in groups]


def truth_columns(formulas: Sequence[Formula]) -> tuple[dict[Formula, int], int]:
    """Return the truth table of each atom in ``formulas``, and that of what is always true."""
    atoms = sorted({atom for formula in formulas for atom in atoms_of(formula)}, key=repr)
    if len(atoms) > MOST_ATOMS:
        raise ValueError(f"expected at most {MOST_ATOMS} atoms that hang together, found {len(atoms)}")
    full = (1 << (1 << len(atoms))) - 1
    return {atom: full // ((1 << (1 << i)) + 1) for i, atom in enumerate(atoms)}, full


def truth_table(formula: Formula, columns: dict[Formula, int], full: int) -> int:
    """Return the models of ``formula``, one bit each."""
    if formula in columns:
        return columns[formula]
    parts = [truth_table(part, columns, full) for part in formula[1:]]
    match formula[0]:
        case "not":
            return full ^ parts[0]
        case "and":
            return reduce(and_, parts, full)
        case "or":
            return reduce(or_, parts, 0)
        case "if":
            return (full ^ parts[0]) | parts[1]
    raise ValueError(f"no such connective: {formula[0]}")


def preferred(models: int, columns: dict[Formula, int], full: int) -> int:
    """Return those of ``models`` with the fewest abnormalities."""
    tables = [table for atom, table in columns.items() if atom[0] == "abnormal"]
    fewest = (models & _exactly(count, tables, full) for count in range(len(tables) + 1))
    return next(some for some in fewest if some)


def _exactly(count: int, tables: list[int], full: int) -> int:
    """Return the models in which exactly ``count`` of ``tables`` hold."""
    chosen = (set(some) for some in combinations(range(len(tables)), count))
    cases = (
        reduce(and_, (t if i in some else full ^ t for i, t in enumerate(tables)), full) for some in chosen
    )
    return reduce(or_, cases, 0)
