"""The rules that logic problems are drawn from: sentences with their meaning, and what to ask of them.

A rule is a function of a random generator and a number of steps that returns a ``Draft``. What it says is
told twice, in words and as a formula; whether the formulas settle the queries is for ``semantics.verdict``.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from random import Random

from workflow.lib.generators.analogies import transfer
from workflow.lib.generators.drafts import Draft, Query, Sentence, both_ways, compare
from workflow.lib.generators.words import ACTIVITIES, NAMES, Literal

POSITIVE = 0.85  # share of the clauses without "not"
SOMEBODY_ELSE = "somebody else"  # the one person in the domain who is not named


def literals(rng: Random, count: int, people: list[str]) -> list[Literal]:
    """Return ``count`` literals about different activities of ``people``."""
    doings = rng.sample(ACTIVITIES, count)
    return [Literal(rng.choice(people), what, rng.random() < POSITIVE) for what in doings]


def stated(literal: Literal) -> Sentence:
    """Return the literal as a sentence."""
    return f"{literal}.", literal.formula


def implication(rng: Random, a: Literal, b: Literal, people: list[str]) -> Sentence:
    """Say that ``a`` implies ``b``."""
    forms = (f"If {a}, then {b}.", f"When {a}, {b}.")
    return rng.choice(forms), ("if", a.formula, b.formula)


def disjunction(rng: Random, a: Literal, b: Literal, people: list[str]) -> Sentence:
    """Say that ``a`` implies ``b``, as "not a, or b"."""
    forms = (f"{a.opposite} or {b}.", f"Either {a.opposite} or {b}.")
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


def anybody(end: Literal, proof: str, people: list[str]) -> list[Query]:
    """Ask whether somebody does ``end``, and whether nobody does."""
    exists = ("or", *(end.of(p).formula for p in (*people, SOMEBODY_ELSE)))
    proof = f"{proof} So someone {end.done}.".strip()
    nobody = ("none", f"no one {end.done}") if end.positive else ("all", f"everyone {end.opposite.done}")
    return [
        Query(f"someone {end.done}", exists, compare(proof, "some", "some")),
        Query(nobody[1], ("not", exists), compare(proof, nobody[0], "some")),
    ]


def chain(
    rng: Random,
    steps: int,
    link: Link,
    backwards: bool = False,
    ask: Callable[[Literal, str, list[str]], list[Query]] = both_ways,
) -> Draft:
    """Link ``steps`` + 1 literals, state one end, ask for the other; all of one person."""
    people = rng.sample(NAMES, 2)
    line = literals(rng, steps + 5, people[:1])
    line, spare = line[: steps + 1], line[steps + 1 :]
    path = [it.opposite for it in reversed(line)] if backwards else line
    proof = " ".join([f"{path[0]}.", *(f"So {b}." for _, b in pairwise(path))])
    sentences = [*(link(rng, a, b, people) for a, b in pairwise(line)), stated(path[0])]
    branch = rng.choice([*line, spare[0], spare[0]])
    ends = (spare[1], branch) if backwards else (branch, spare[1])
    noise = [link(rng, *ends, people), link(rng, spare[2], spare[3], people)]
    return Draft(sentences, ask(path[-1], proof, people), [*noise, stated(spare[0].of(people[1]))])


def somebody(rng: Random, steps: int) -> Draft:
    """Conclude from what one person does that somebody does it."""
    return chain(rng, min(steps, 3) - 1, universal, ask=anybody)


def exception(rng: Random, steps: int) -> Draft:
    """State a default, and that somebody to whom it would apply is an exception."""
    who, other = rng.sample(NAMES, 2)
    a, b, *spare = literals(rng, 4, [who])
    end = b.opposite
    meaning = ("and", ("abnormal", who, a.what, b.what), ("if", a.formula, end.formula))
    sentences = [default(rng, a, b, [who, other]), stated(a), (f"{who} is an exception.", meaning)]
    queries = both_ways(end, f"{a}. {who} is an exception. So {end}.", [])
    return Draft(sentences, queries, [stated(spare[0]), stated(spare[1].of(other))])


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


RULES: dict[tuple[str, str], Callable[[Random, int], Draft]] = {
    ("propositional_logic", "hypothetical_syllogism"): partial(chain, link=implication),
    ("propositional_logic", "modus_tollens"): partial(chain, link=implication, backwards=True),
    ("propositional_logic", "disjunctive_syllogism"): partial(chain, link=disjunction),
    ("first_order_logic", "modus_ponens"): partial(chain, link=universal),
    ("first_order_logic", "modus_tollens"): partial(chain, link=universal, backwards=True),
    ("first_order_logic", "existential_generalization"): somebody,
    ("nm_logic", "default_reasoning_default"): partial(chain, link=default),
    ("nm_logic", "reasoning_about_exceptions_1"): exception,
    ("nm_logic", "reasoning_about_priority"): priority,
    ("analogical_logic", "relation_transfer"): transfer,
}
