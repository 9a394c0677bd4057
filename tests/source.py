"""The workflow's own text, read by the tests of its conventions and environments."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow/scripts"
HEAD = r"(?:use )?rule (\w+)(?: as (\w+) with)?:"
# Rules whose jobs name their scripts, which workflow/family.py runs.
FAMILIES = {"train": "train_*.py", "plot": "plot_*.py"}
# The environment of these rules depends on the study: its device, and what answers held-out problems.
VLLM = ["../envs/vllm.yaml", "../envs/vllm-cpu.yaml"]
ENVIRONMENTS = {
    "VLLM_ENVIRONMENT": VLLM,
    "scoring_environment(BACKEND)": ["../envs/evaluate.yaml", *VLLM],
    "scoring_environment(BACKEND_AGAIN)": ["../envs/evaluate.yaml", *VLLM],
}


@dataclass(frozen=True)
class Rule:
    """One rule with its directives as text; one that uses another rule has those of both."""

    name: str
    used: str  # name of the rule that it uses; its own where it uses none
    file: Path
    directives: dict[str, str]

    def names(self, directive: str) -> set[str]:
        """Return the names of the items of a directive."""
        return set(re.findall(r"^        (\w+)=", self.directives.get(directive, ""), re.MULTILINE))

    def scripts(self) -> list[Path]:
        """Return the scripts that the rule runs: several where a wildcard names the script."""
        name = Path(self.directives["script"].strip().strip('"')).name
        return sorted(SCRIPTS.glob(FAMILIES[self.used] if name == "family.py" else name))

    def environments(self) -> list[Path]:
        """Return the conda files of the environments that the rule may run in."""
        named = self.directives["conda"].strip().strip('"')
        return [self.file.parent / path for path in ENVIRONMENTS.get(named, [named])]


@cache
def rules() -> list[Rule]:
    """Return every rule of rules/*.smk in order."""
    found: dict[str, Rule] = {}
    for file in sorted((ROOT / "rules").glob("*.smk")):
        blocks = re.split(r"^(?=(?:use )?rule \w+(?: as \w+ with)?:)", file.read_text(), flags=re.MULTILINE)
        for block in blocks[1:]:
            used, own = re.match(HEAD, block).groups()
            parts = dict(re.findall(r"^    (\w+):(.*?)(?=^    \w+:|\Z)", block, re.MULTILINE | re.DOTALL))
            if own:  # what it does not say is as in the rule it uses; params one by one
                base = found[used].directives
                parts = {**base, **parts, "params": base["params"] + parts.get("params", "")}
            else:
                parts["docstring"] = re.search(r'"""(.+)"""', block)[1]
            found[own or used] = Rule(own or used, used, file, parts)
    return list(found.values())


@cache
def tree(file: Path) -> ast.Module:
    """Return the syntax tree of a Python file."""
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(file: Path) -> list[ast.Import | ast.ImportFrom]:
    """Return the imports of a file, in functions too, but for type checking."""
    skipped = {
        node
        for branch in ast.walk(tree(file))
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    found = (node for node in ast.walk(tree(file)) if isinstance(node, ast.Import | ast.ImportFrom))
    return [node for node in found if node not in skipped]


def modules(file: Path) -> set[str]:
    """Return the full names of the modules that a file imports, but for type checking."""
    found = set()
    for node in imports(file):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def with_imports(script: Path) -> set[Path]:
    """Return a script and the files of ``workflow.lib`` that it imports, directly or not."""
    found: set[Path] = set()
    queue = [script]
    while queue:
        file = queue.pop()
        if file not in found:
            found.add(file)
            ours = (
                ROOT.joinpath(*name.split(".")) for name in modules(file) if name.startswith("workflow.lib")
            )
            files = (path for base in ours for path in (base.with_suffix(".py"), base / "__init__.py"))
            queue += [path for path in files if path.is_file()]
    return found
