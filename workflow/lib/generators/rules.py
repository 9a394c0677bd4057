"""The rules that logic problems are drawn from: sentences with their meaning, and what to ask of them.

A rule is a function of a random generator and a number of steps that returns a ``Draft``. What it says is
told twice, in words and as a formula; whether the formulas settle the queries is for ``semantics.verdict``.

ASSUME: in the analogical family two people stand in at most one of the relations named.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from random import Random

from workflow.lib.generators.semantics import Formula
from workflow.lib.generators.words import ACTIVITIES, NAMES, RELATIONS, Literal

POSITIVE = 0.7  # share of the clauses without "not"
SOMEBODY_ELSE = "somebody else"  # the one person in the domain who is not named
Sentence = tuple[str, Formula]


@dataclass(frozen=True)
class Query:
    """A clause to ask about, its meaning, and a proof or refutation of it."""

    clause: str
    meaning: Formula
    proof: str


@dataclass(frozen=True)
class Draft:
    """Sentences that settle two queries, noise that does not matter, and what goes without saying."""

    sentences: list[Sentence]
    queries: list[Query]
    noise: list[Sentence]
    given: tuple[Formula, ...] = ()


def literals(rng: Random, count: int, people: list[str]) -> list[Literal]:
    """Return ``count`` literals about different activities of ``people``."""
    doings = rng.sample(ACTIVITIES, count)
    return [Literal(rng.choice(people), what, rng.random() < POSITIVE) for what in doings]


def stated(literal: Literal) -> Sentence:
    """Return the literal as a sentence."""
    return f"{literal}.", literal.formula


def implication(rng: Random, a: Literal, b: Literal, people: list[str]) -> Sentence:
    """Say that ``a`` implies ``b``."""
    forms = (f"If {a}, then {b}.", f"Whenever {a}, {b}.", f"{b} if {a}.")
    return rng.choice(forms), ("if", a.formula, b.formula)


def disjunction(rng: Random, a: Literal, b: Literal, people: list[str]) -> Sentence:
    """Say that ``a`` implies ``b``, as "not a, or b"."""
    forms = (f"{a.opposite} or {b}.", f"{b} or {a.opposite}.", f"Either {a.opposite} or {b}.")
    return rng.choice(forms), ("or", a.opposite.formula, b.formula)


def universal(rng: Random, a: Literal, b: Literal, people: list[str]) -> Sentence:
    """Say that whoever does ``a`` does ``b``."""
    forms = (f"Everyone who {a.done} {b.done}.", f"Whoever {a.done} {b.done}.")
    text = rng.choice(forms) if b.positive else f"No one who {a.done} {b.opposite.done}."
    each = (("if", a.of(p).formula, b.of(p).formula) for p in (*people, SOMEBODY_ELSE))
    return text, ("and", *each)


def default(rng: Random, a: Literal, b: Literal, people: list[str]) -> Sentence:
    """Say that whoever does ``a`` usually does ``b``."""
    who = rng.choice((f"Whoever {a.done}", f"A person who {a.done}"))
    text = f"{who} {rng.choice(('usually', 'normally'))} {b.done}."
    fine = {p: ("not", ("abnormal", p, a.what, b.what)) for p in people}
    each = (("if", ("and", a.of(p).formula, fine[p]), b.of(p).formula) for p in people)
    return text, ("and", *each)


Link = Callable[[Random, Literal, Literal, list[str]], Sentence]


def both_ways(end: Literal, proof: str, people: list[str]) -> list[Query]:
    """Ask for ``end`` and for its opposite."""
    return [Query(str(it), it.formula, proof) for it in (end, end.opposite)]


def anybody(end: Literal, proof: str, people: list[str]) -> list[Query]:
    """Ask whether somebody does ``end``, and whether nobody does."""
    exists = ("or", *(end.of(p).formula for p in (*people, SOMEBODY_ELSE)))
    proof = f"Now someone {end.done} since {end}. {proof}".strip()
    nobody = f"no one {end.done}" if end.positive else f"everyone {end.opposite.done}"
    return [Query(f"someone {end.done}", exists, proof), Query(nobody, ("not", exists), proof)]


def chain(
    rng: Random,
    steps: int,
    link: Link,
    alone: bool = True,
    backwards: bool = False,
    ask: Callable[[Literal, str, list[str]], list[Query]] = both_ways,
) -> Draft:
    """Link ``steps`` + 1 literals, state one end, ask for the other; ``alone``: of one person only."""
    people = rng.sample(NAMES, 2)
    line = literals(rng, steps + 5, people[:1] if alone else people)
    line, spare = line[: steps + 1], line[steps + 1 :]
    path = [it.opposite for it in reversed(line)] if backwards else line
    proof = " ".join(f"Now {b} since {a}." for a, b in reversed(list(pairwise(path))))
    sentences = [*(link(rng, a, b, people) for a, b in pairwise(line)), stated(path[0])]
    branch = rng.choice([*line, spare[0], spare[0]])
    ends = (spare[1], branch) if backwards else (branch, spare[1])
    noise = [link(rng, *ends, people), link(rng, spare[2], spare[3], people)]
    return Draft(sentences, ask(path[-1], proof, people), [*noise, stated(spare[0].of(people[1]))])


def somebody(rng: Random, steps: int) -> Draft:
    """Conclude from what one person does that somebody does it."""
    return chain(rng, min(steps, 3) - 1, universal, ask=anybody)


def exception(rng: Random, steps: int) -> Draft:
    """State a default for two people, one of them an exception; ask about either."""
    people = rng.sample(NAMES, 2)
    a, b, *spare = literals(rng, 5, people[:1])
    odd, fine = rng.sample(people, 2)
    ends = (b.of(odd).opposite, b.of(fine))
    abnormal = ("and", ("abnormal", odd, a.what, b.what), ends[0].formula)
    reasons = (f"{odd} is an exception", str(a.of(fine)))
    end, reason = rng.choice(list(zip(ends, reasons, strict=True)))
    sentences = [default(rng, a, b, people), *(stated(a.of(p)) for p in people)]
    noise = [default(rng, spare[0], spare[1], people), stated(spare[2])]
    queries = both_ways(end, f"Now {end} since {reason}.", people)
    return Draft([*sentences, (f"{odd} is an exception.", abnormal)], queries, noise)


def priority(rng: Random, steps: int) -> Draft:
    """Let two or three witnesses disagree; the most reliable is right unless all else is abnormal."""
    who, *witnesses = rng.sample(NAMES, 3 if steps < 3 else 4)
    claim, *spare = literals(rng, 3, [who])
    sentences: list[Sentence] = []
    for i, witness in enumerate(witnesses):
        said = claim if i == 0 else claim.opposite
        sentences.append((f"{witness} says that {said}.", ("or", ("abnormal", witness), said.formula)))
    for better, worse in pairwise(witnesses):
        meaning = ("if", ("abnormal", better), ("abnormal", worse))
        sentences.append((f"{better} is more reliable than {worse}.", meaning))
    proof = f"Since {witnesses[0]} is more reliable, {claim}."
    return Draft(sentences, both_ways(claim, proof, []), [stated(it) for it in spare])


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
    ends = (related(pairs[-1], relation) for relation in (same, different))
    queries = [Query(text.rstrip("."), meaning, proof) for text, meaning in ends]
    return Draft(sentences, queries, [related(other, different)], analogy[2])


def comparison(rng: Random, steps: int) -> Draft:
    """Compare a pair with one in the same relation and with one in another."""
    (first, alike, unlike, other), relations, given = analogies(rng, 4)
    same, different = relations
    facts = [related(first, same), related(alike, same), related(unlike, different)]
    queries = []
    for pair, (text, _) in zip((alike, unlike), facts[1:], strict=True):
        clause, meaning = analogous(first, pair, relations)
        queries.append(Query(clause.rstrip("."), meaning, f"Here {facts[0][0].rstrip('.')} and {text}"))
    return Draft(facts, queries, [related(other, rng.choice(relations))], given)


RULES: dict[tuple[str, str], Callable[[Random, int], Draft]] = {
    ("propositional_logic", "hypothetical_syllogism"): partial(chain, link=implication, alone=False),
    ("propositional_logic", "modus_tollens"): partial(chain, link=implication, alone=False, backwards=True),
    ("propositional_logic", "disjunctive_syllogism"): partial(chain, link=disjunction, alone=False),
    ("first_order_logic", "modus_ponens"): partial(chain, link=universal),
    ("first_order_logic", "modus_tollens"): partial(chain, link=universal, backwards=True),
    ("first_order_logic", "existential_generalization"): somebody,
    ("nm_logic", "default_reasoning_default"): partial(chain, link=default),
    ("nm_logic", "reasoning_about_exceptions_1"): exception,
    ("nm_logic", "reasoning_about_priority"): priority,
    ("analogical_logic", "relation_transfer"): transfer,
    ("analogical_logic", "relation_comparison"): comparison,
}
