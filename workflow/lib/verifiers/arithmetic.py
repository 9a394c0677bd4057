"""Arithmetic puzzles: make a number of given numbers. Any expression that does so is right."""

import ast
import json
import re
from fractions import Fraction

ALLOWED = re.compile(r"[\d+\-*/() ]{1,500}")  # bounds the work: no names, no powers of anything
WRITTEN = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-"})


def countdown(answer: str, instance: str) -> bool:
    """Return whether ``answer`` is an expression of all the numbers, each once, that makes the target.

    Args:
        answer: ``"(59 + 7) + 96 - 42"``: whole numbers, + - * / and brackets. Fractions are exact.
        instance: JSON ``{"numbers": [96, 59, 42, 7], "target": 120}``.
    """
    puzzle = json.loads(instance)
    text = answer.translate(WRITTEN)
    if not ALLOWED.fullmatch(text):
        return False
    try:
        tree = ast.parse(text.strip(), mode="eval")  # parsed, never run
        value, used = _value(tree.body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return False
    return sorted(used) == sorted(puzzle["numbers"]) and value == puzzle["target"]


def _value(node: ast.expr) -> tuple[Fraction, list[int]]:
    """Return what an expression is worth and the numbers in it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return Fraction(node.value), [node.value]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value, used = _value(node.operand)
        return -value, used
    if isinstance(node, ast.BinOp):
        (left, first), (right, second) = _value(node.left), _value(node.right)
        match node.op:
            case ast.Add():
                return left + right, first + second
            case ast.Sub():
                return left - right, first + second
            case ast.Mult():
                return left * right, first + second
            case ast.Div():
                return left / right, first + second
    raise ValueError("not an expression of whole numbers, + - * / and brackets")
