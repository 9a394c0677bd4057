"""Analogical rules: "A is to B as C is to D" carries a relation from pair to pair.

ASSUME: two people stand in at most one of the relations named.
"""

from itertools import pairwise
from random import Random

from workflow.lib.generators.drafts import Draft, Query, Sentence, compare
from workflow.lib.generators.semantics import Formula
from workflow.lib.generators.words import NAMES, RELATIONS


def related(pair: tuple[str, str], relation: str) -> Sentence:
    """Say that one of a pair stands in a relation to the other."""
    return f"{pair[0]} {relation} {pair[1]}.", ("atom", relation, *pair)


def analogous(p: tuple[str, str], q: tuple[str, str], relations: list[str]) -> Sentence:
    """Say that one pair is as the other: whatever relation holds in one holds in the other."""
    same = (("and", related(p, r)[1], related(q, r)[1]) for r in relations)
    return f"{p[0]} is to {p[1]} as {q[0]} is to {q[1]}.", ("or", *same)


def analogies(rng: Random, count: int) -> tuple[list[tuple[str, str]], list[str], tuple[Formula, ...]]:
    """Return ``count`` pairs of people, two relations, and that no pair stands in both."""
    names = rng.sample(NAMES, 2 * count)
    pairs = list(zip(names[::2], names[1::2], strict=True))
    relations = rng.sample(RELATIONS, 2)
    both = [("and", *(related(pair, relation)[1] for relation in relations)) for pair in pairs]
    return pairs, relations, tuple(("not", it) for it in both)


def transfer(rng: Random, steps: int) -> Draft:
    """Carry a relation from pair to pair; ask for it, and for another relation."""
    *pairs, other = (analogy := analogies(rng, min(steps, 3) + 2))[0]
    same, different = analogy[1]
    facts = [related(pair, same)[0].rstrip(".") for pair in pairs]
    proof = " ".join(f"Since {a}, {b}." for a, b in pairwise(facts))
    sentences = [*(analogous(p, q, analogy[1]) for p, q in pairwise(pairs)), related(pairs[0], same)]
    queries = []
    for relation in (same, different):
        clause, meaning = related(pairs[-1], relation)
        queries.append(Query(clause.rstrip("."), meaning, compare(proof, relation, same)))
    return Draft(sentences, queries, [related(other, different)], analogy[2])
