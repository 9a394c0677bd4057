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
    syntax = [syntax_of(file.read_text(encoding="utf-8"))[0] for file in sources(root, root / script)]
    return hashlib.sha256("".join(syntax).encode()).hexdigest()[:12]


@cache
def syntax_of(text: str) -> tuple[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """Return the syntax of a Python file, and the modules of this project that it imports from, with names.

    Scripts share most of their modules: a text that was parsed once is not parsed again.
    """
    tree = ast.parse(text)
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in froms if (node.module or "").startswith(PACKAGE)]
    return ast.dump(tree), tuple(
        (str(node.module), tuple(alias.name for alias in node.names)) for node in ours
    )


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
    found: list[Path] = []
    for module, names in syntax_of(source.read_text(encoding="utf-8"))[1]:
        base = root.joinpath(*module.split("."))
        inside = [base / "__init__.py", *(base / f"{name}.py" for name in names)]
        alone = base.with_suffix(".py")
        found += [alone] if alone.is_file() else [path for path in inside if path.is_file()]
    return found
