"""The right answer, worked out, where the labels of a puzzle's generator cannot be trusted.

reasoning-gym calls some syllogisms valid whose middle term is not distributed (its issue 536). It answers
"what is Ann to Bob?" with what Bob is to Ann for in-laws, nieces and nephews. And of the two circles of
colleagues that aiw's Matilda knows it counts only one.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

PROPOSITION = re.compile(r"(All|No|Some) (\w+) are (not )?(\w+)")
COUPLE = re.compile(r"(\w+) is married to (\w+)\.(?: They have (?:a child|children) called ([^.]+)\.)?")
KINDS = {
    **dict.fromkeys(("mother", "father"), "parent"),
    **dict.fromkeys(("daughter", "son"), "child"),
    **dict.fromkeys(("wife", "husband"), "spouse"),
    **dict.fromkeys(("sister", "brother"), "sibling"),
    **dict.fromkeys(("grandmother", "grandfather"), "grandparent"),
    **dict.fromkeys(("aunt", "uncle"), "parent's sibling"),
    **dict.fromkeys(("niece", "nephew"), "sibling's child"),
    **dict.fromkeys(("mother-in-law", "father-in-law"), "spouse's parent"),
}

MOST_TERMS = 3  # 256 diagrams; with each term more the number is squared

Form = tuple[str, int, int]  # "All", "No", "Some" or "Some not", subject and predicate


def contradicts(rule: str, question: str, answer: str, details: Mapping[str, Any]) -> bool:
    """Return whether ``answer`` to a puzzle of ``rule`` is known to be wrong."""
    match rule:
        case "syllogism":
            valid = follows((details["premise1"], details["premise2"]), details["conclusion"])
            return answer != ("Yes" if valid else "No")
        case "family_relationships":
            story = question.partition("\n\n")[0]
            return KINDS[answer] not in kinship(story, details["person1"], details["person2"])
        case "aiw":
            return details["task_type"] == "colleagues" and int(answer) not in matilda(question)
    return False  # the pipeline refuses any other gold answer that its verifier does not accept


def follows(premises: Iterable[str], conclusion: str) -> bool:
    """Return whether ``conclusion`` ("Some a are not b") is true wherever all ``premises`` are.

    ASSUME: no term is empty (existential import), as the generator has it without saying so.
    """
    terms: dict[str, int] = {}
    forms: list[Form] = []
    for text in (*premises, conclusion):
        found = PROPOSITION.fullmatch(text)
        if found is None or (found[3] and found[1] != "Some"):
            raise ValueError(f"no proposition of a syllogism: {text}")
        first, second = (terms.setdefault(term.casefold(), len(terms)) for term in (found[2], found[4]))
        forms.append((found[1] + (" not" if found[3] else ""), first, second))
    if len(terms) > MOST_TERMS:
        raise ValueError(f"expected at most {MOST_TERMS} terms, found {sorted(terms)}")
    return _follows(tuple(forms), len(terms))


@cache
def _follows(forms: tuple[Form, ...], terms: int) -> bool:
    """Look at every way to fill the regions of a diagram of ``terms`` sets."""
    regions = range(2**terms)  # bit i of a region: inside of set i
    inside = [sum(1 << region for region in regions if region >> term & 1) for term in range(terms)]

    def holds(form: Form, filled: int) -> bool:
        kind, a, b = form
        both, only = filled & inside[a] & inside[b], filled & inside[a] & ~inside[b]
        return bool({"All": not only, "No": not both, "Some": both, "Some not": only}[kind])

    *premises, conclusion = forms
    diagrams = (filled for filled in range(2 ** len(regions)) if all(filled & term for term in inside))
    models = (filled for filled in diagrams if all(holds(form, filled) for form in premises))
    return all(holds(conclusion, filled) for filled in models)


def matilda(question: str) -> set[int]:
    """Return how many female colleagues Matilda may have, in aiw's puzzle of two circles.

    In the first she counts for its n women: n - 1 others and the woman whom it is around. In the second she
    either counts for its m women, or is the outsider whom all of them know: the text allows both.
    """
    first, second = map(int, re.findall(r"(\d+) female colleagues", question))
    return {first + second - 1, first + second}


def kinship(story: str, one: str, other: str) -> set[str]:
    """Return which of ``KINDS``' kinds ``one`` is to ``other`` in ``story`` ("Ann is married to Bob. …")."""
    parents: dict[str, set[str]] = {}
    spouse: dict[str, str] = {}
    for first, second, called in COUPLE.findall(story):
        spouse.update({first: second, second: first})
        children = re.findall(r"\w+", called.replace(" and ", ", "))
        parents.update({child: {first, second} for child in children})

    def of(name: str) -> set[str]:
        return parents.get(name, set())

    def grandparents(name: str) -> set[str]:
        return {old for parent in of(name) for old in of(parent)}

    def is_aunt_or_uncle(old: str, young: str) -> bool:
        return old not in of(young) and bool(of(old) & grandparents(young))

    found = {
        "parent": one in of(other),
        "child": other in of(one),
        "spouse": (one, other) in spouse.items(),
        "sibling": one != other and bool(of(one)) and of(one) == of(other),
        "grandparent": one in grandparents(other),
        "parent's sibling": is_aunt_or_uncle(one, other),
        "sibling's child": is_aunt_or_uncle(other, one),
        "spouse's parent": other in spouse and one in of(spouse[other]),
    }
    return {kind for kind, holds in found.items() if holds}
