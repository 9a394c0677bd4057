"""Digests of code: a rule runs again if and only if its script, or a module that it imports, changes."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "workflow.lib"


@cache
def fingerprint(root: Path, script: str) -> str:
    """Return a digest of the syntax of a script and of its imports; comments and layout do not count.

    Args:
        root: The repository.
        script: Path of the script in it.
    """
    syntax = [ast.dump(ast.parse(file.read_text(encoding="utf-8"))) for file in sources(root, root / script)]
    return hashlib.sha256("".join(syntax).encode()).hexdigest()[:12]


def sources(root: Path, script: Path) -> list[Path]:
    """Return ``script`` and the modules of this project that it imports, directly or not."""
    found, queue = set(), [script]
    while queue:
        source = queue.pop()
        queue += imported(root, source) if source not in found else []
        found.add(source)
    return sorted(found)


def imported(root: Path, source: Path) -> list[Path]:
    """Return the files of this project that a Python file imports with ``from … import …``."""
    nodes = ast.walk(ast.parse(source.read_text(encoding="utf-8")))
    froms = [n for n in nodes if isinstance(n, ast.ImportFrom) and (n.module or "").startswith(PACKAGE)]
    bases = [root.joinpath(*str(node.module).split(".")) for node in froms]
    inner = [base / alias.name for base, node in zip(bases, froms, strict=True) for alias in node.names]
    found = [path.with_suffix(".py") for path in (*bases, *inner)] + [base / "__init__.py" for base in bases]
    return [path for path in found if path.is_file()]
