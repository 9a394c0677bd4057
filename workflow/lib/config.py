"""The study's configuration: read strictly, checked against the schema, told in one line per problem.

Snakemake reads the files itself, with a loader that keeps the last of two equal keys and takes ``1e-5``
for text. Here they are read again to say so, with file and line.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from workflow.lib.errors import DataError, shorten
from workflow.lib.references import Keys, reference_problems, suggest
from workflow.lib.trials import points

LARGEST = 1_000_000  # bytes of a config file
DEEPEST = 20  # levels of nesting


def read_nodes(path: str | Path) -> tuple[yaml.Node | None, list[str]]:
    """Return the YAML tree of the file and its problems: size, aliases, repeated keys, depth."""
    text = Path(path).read_bytes()
    if len(text) > LARGEST:
        return None, [f"{path}: {len(text)} bytes. Expected at most {LARGEST}. Fix: split the study."]
    events = yaml.parse(text.decode("utf-8"), Loader=yaml.SafeLoader)
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            return None, [f"{path}: alias '*{event.anchor}'. Fix: write the value out."]
    root = yaml.compose(text.decode("utf-8"), Loader=yaml.SafeLoader)
    return root, list(_repeated(root, str(path), 0))


def _repeated(node: yaml.Node | None, path: str, depth: int) -> Iterator[str]:
    if node is None:
        return
    line = node.start_mark.line + 1
    if depth > DEEPEST:
        yield f"{path}:{line}: nested deeper than {DEEPEST} levels"
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item, path, depth + 1)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            here = key.start_mark.line + 1
            if key.value in seen:
                first = seen[key.value]
                yield f"{path}:{here}: key '{key.value}' stands here and in line {first}. Fix: keep one."
            seen[key.value] = here
            yield from _repeated(value, path, depth + 1)


def line_of(node: yaml.Node | None, keys: Keys) -> int | None:
    """Return the line, from 1, of the value at ``keys`` below ``node``; ``None`` if it is not there."""
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == str(key)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = [(node.value[key], node.value[key])]
        else:
            found = []
        if not found:
            return None
        _, node = found[-1]
    return None if node is None else node.start_mark.line + 1


def study_problems(
    config: dict[str, Any], schema: dict[str, Any], files: Sequence[str | Path], root: str | Path
) -> list[str]:
    """Return one line per problem of ``config``; none when the study can run.

    Args:
        config: The merged configuration, as Snakemake handed it over.
        schema: The JSON schema, as parsed.
        files: The configuration files it was merged from, in order.
        root: The repository, where prompt files, scripts and task definitions lie.
    """
    trees = []
    problems: list[str] = []
    for file in files:
        tree, found = read_nodes(file)
        trees.append((str(file), tree))
        problems += found
    if problems:
        return problems
    found_in_schema = list(_schema_problems(config, schema))
    pairs = found_in_schema or list(reference_problems(config, Path(root)))
    pairs = pairs or list(_trial_problems(config, schema, Path(root)))
    return [f"{_place(trees, keys)}{_dotted(keys)}: {text}" for keys, text in pairs]


def _place(trees: list[tuple[str, yaml.Node | None]], keys: Keys) -> str:
    for length in range(len(keys), -1, -1):
        for file, tree in reversed(trees):
            line = line_of(tree, keys[:length])
            if line is not None:
                return f"{file}:{line}: "
    return ""


def _dotted(keys: Keys) -> str:
    dotted = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return dotted.lstrip(".") or "the study"


def _schema_problems(config: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    validator = Draft202012Validator(schema)
    for error in sorted(validator.iter_errors(config), key=lambda e: [str(p) for p in e.path]):
        yield from _told(error)


def _trial_problems(config: dict[str, Any], schema: dict[str, Any], root: Path) -> Iterator[tuple[Keys, str]]:
    """Yield what would be wrong with the study if a method had the settings of one of its trials.

    The study itself must be sound: then what is wrong comes from the trial, and is told where it is listed.
    """
    methods = {"$defs": schema["$defs"], "properties": {"methods": schema["properties"]["methods"]}}
    told: set[tuple[Keys, str]] = set()
    for method, grid in (config["sweeps"] or {"methods": {}})["methods"].items():
        for point in points(grid):
            settings = {**config["methods"][method], **point}
            tried = {**config, "methods": {**config["methods"], method: settings}}
            for keys, text in list(_schema_problems(tried, methods)) or reference_problems(tried, root):
                if (keys, text) not in told:
                    told.add((keys, text))
                    yield ("sweeps", *keys), text


def _told(error: ValidationError) -> Iterator[tuple[Keys, str]]:
    """Tell one schema error; where several kinds of a thing are allowed, those of the kind named."""
    keys: Keys = tuple(error.absolute_path)
    schema: Any = error.schema
    instance: Any = error.instance
    if error.validator == "oneOf":
        yield from _told_by_kind(error, keys, schema)
    elif error.validator == "additionalProperties":
        known = _known_keys(schema)
        patterns = schema.get("patternProperties", {})
        for key in sorted(set(instance) - set(known)):
            if not any(re.search(pattern, key) for pattern in patterns):
                yield (*keys, key), f"not a known key.{suggest(key, known)}"
    else:
        yield keys, _sentence(instance, str(error.validator), error.validator_value, schema, error.message)


def _known_keys(schema: Any) -> list[str]:
    """Return the keys that a mapping may have; of a pattern, its plain beginning."""
    stems = (pattern.strip("^").partition("(")[0] for pattern in schema.get("patternProperties", ()))
    return sorted([*schema.get("properties", ()), *stems])


def _told_by_kind(error: ValidationError, keys: Keys, schema: Any) -> Iterator[tuple[Keys, str]]:
    kinds = [form["properties"]["kind"]["const"] for form in schema["oneOf"] if "properties" in form]
    instance: Any = error.instance
    kind = instance["kind"] if isinstance(instance, dict) and "kind" in instance else None
    if kind in kinds:
        for inner in error.context or []:
            if inner.relative_schema_path[0] == kinds.index(kind):
                yield from _told(inner)
    elif kinds:
        yield (*keys, "kind"), f"expected one of {', '.join(kinds)}, found {shorten(kind)}"
    else:
        yield keys, f"found {shorten(instance)}. Expected: {schema['description']}."


def _sentence(instance: Any, validator: str, wanted: Any, schema: Any, message: str) -> str:
    found = shorten(instance)
    meaning = schema.get("description", message)
    wanted = " or ".join(wanted) if validator == "type" and isinstance(wanted, list) else wanted
    if validator == "required":
        missing = [key for key in wanted if key not in instance]
        return f"key '{missing[0]}' is missing. Fix: add it (see config/README.md)."
    if validator == "type":
        return f"expected {wanted}, found {found}.{_number_hint(instance, str(wanted))}"
    if validator in ("enum", "const"):
        known = [str(value) for value in (wanted if isinstance(wanted, list) else [wanted])]
        return f"expected one of {', '.join(known)}, found {found}.{suggest(instance, known)}"
    return f"found {found}. Expected: {meaning} ({validator}: {wanted})."


def _number_hint(value: object, wanted: str) -> str:
    if wanted not in ("number", "integer") or not isinstance(value, str):
        return ""
    try:
        return f" Fix: write it as a number with a point, as {float(value):.1e}."
    except ValueError:
        return ""


def load_schema(path: str | Path) -> dict[str, Any]:
    """Return the schema at ``path``; that it is one is for the tests: each job of a cluster reads it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # of libyaml, where it is: ten times as fast
    schema = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=loader)
    if not isinstance(schema, dict):
        raise DataError(f"{path}: expected a mapping")
    return schema
