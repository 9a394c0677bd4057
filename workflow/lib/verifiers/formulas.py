"""Formulas of propositional logic, read from text."""

import re

from workflow.lib.generators.semantics import Formula

LONGEST = 1000  # characters
DEEPEST = 50  # brackets and negations inside each other
TOKEN = re.compile(r"\s*([A-Za-z]\w*|[¬∧∨→↔()])")
WRITTEN = {"<->": "↔", "<=>": "↔", "->": "→", "=>": "→", "⇔": "↔", "⇒": "→", "≡": "↔", "~": "¬", "!": "¬"}
MORE_WRITTEN = {"&&": "∧", "&": "∧", "||": "∨", "|": "∨"}
BINDS = ("↔", "→", "∨", "∧")  # weakest first


def formula(text: str) -> Formula:
    """Return the formula in ``text``, as ``(¬Q ∧ P) → R``.

    ``¬`` binds most tightly, then ``∧``, ``∨``, ``→`` and ``↔``; ``P → Q → R`` is ``P → (Q → R)``.

    Raises:
        ValueError: This is no formula, or a longer or deeper one than any puzzle needs.
    """
    for written, meant in {**WRITTEN, **MORE_WRITTEN}.items():
        text = text.replace(written, meant)
    if len(text) > LONGEST:
        raise ValueError("too long")
    tokens, place = [], 0
    while text[place:].strip():
        found = TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"not a part of a formula: {text[place:]}")
        tokens.append(found[1])
        place = found.end()
    tokens.reverse()  # the next one is the last of the list
    parsed = _joined(tokens, 0, 0)
    if tokens:
        raise ValueError(f"expected an end, found {tokens[-1]}")
    return parsed


def _joined(tokens: list[str], level: int, depth: int) -> Formula:
    """Read formulas joined by the connective of ``level``, each made of what binds more tightly."""
    if level == len(BINDS):
        return _single(tokens, depth)
    left = _joined(tokens, level + 1, depth)
    while tokens and tokens[-1] == BINDS[level]:
        tokens.pop()
        right = _joined(tokens, level if BINDS[level] == "→" else level + 1, depth + 1)
        match BINDS[level]:
            case "∧":
                left = ("and", left, right)
            case "∨":
                left = ("or", left, right)
            case "→":
                left = ("if", left, right)
            case _:
                left = ("and", ("if", left, right), ("if", right, left))
    return left


def _single(tokens: list[str], depth: int) -> Formula:
    """Read a variable, a negation or a formula in brackets."""
    if not tokens or depth > DEEPEST:
        raise ValueError("ends too early, or is too deep")
    token = tokens.pop()
    if token == "¬":
        return ("not", _single(tokens, depth + 1))
    if token == "(":
        inner = _joined(tokens, 0, depth + 1)
        if not tokens or tokens.pop() != ")":
            raise ValueError("a bracket is not closed")
        return inner
    if not token[0].isalpha():
        raise ValueError(f"expected a variable, found {token}")
    return ("atom", token)
