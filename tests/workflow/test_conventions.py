"""What a reader may rely on everywhere: one name per thing, closed schema, two statements under the guard."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.source import ROOT, SCRIPTS, Rule, modules, rules, tree

SCRIPT_FILES = sorted(SCRIPTS.glob("*.py"))
PYTHON_FILES = [*SCRIPT_FILES, *sorted((ROOT / "workflow/lib").rglob("*.py"))]
COMMON = (ROOT / "rules/common.smk").read_text()


def tracked() -> list[Path]:
    """Return the text files that git tracks, and those that it will."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = [ROOT / name for name in listed.stdout.splitlines()]
    return [file for file in files if file.is_file()]


def ids(items: list[Any]) -> list[str]:
    """Return a short name for each rule or file."""
    return [item.name for item in items]


# Params that only tell when a job must run again: the script runs another one.
WITNESSES = {
    "try_settings": {"code_of_trainer"},
}


TARGETS = {"check"}  # make nothing, so they run whenever they are asked for; a benchmark would be something

# --- rules ------------------------------------------------------------------------------------------------


def test_there_are_rules_and_scripts() -> None:
    assert len(rules()) >= 24
    assert len(SCRIPT_FILES) >= 30


@pytest.mark.parametrize("rule", rules(), ids=ids(rules()))
def test_rule_has_one_name_everywhere(rule: Rule) -> None:
    files = [("log", "logs", "log"), ("benchmark", "benchmarks", "tsv")]
    assert ("benchmark" in rule.directives) == (rule.name not in TARGETS)
    for directive, folder, ending in files[:1] if rule.name in TARGETS else files:
        path = rule.directives[directive].strip().strip('",')
        assert re.fullmatch(rf"results/{folder}/{rule.name}(/\S+)?\.{ending}", path)
    script = Path(rule.directives["script"].strip().strip('"')).name
    coded = re.search(r'code=code\("([^"]+)"\)', rule.directives["params"])[1]
    named = {f"{rule.used}_{{trainer}}.py", f"{rule.used}_{{figure}}.py"}
    assert coded in named if script == "family.py" else coded == script == f"{rule.used}.py"


@pytest.mark.parametrize("rule", rules(), ids=ids(rules()))
def test_rule_says_what_it_does_and_where_it_runs(rule: Rule) -> None:
    assert re.fullmatch(r"[A-Z].{10,110}\.", rule.directives["docstring"])
    assert rule.environments() and all(path.is_file() for path in rule.environments())
    assert rule.scripts()
    assert not {"message", "run", "shell"} & rule.directives.keys()


@pytest.mark.parametrize("rule", rules(), ids=ids(rules()))
def test_script_asks_only_for_what_its_rule_declares(rule: Rule) -> None:
    for script in rule.scripts():
        asked = re.findall(r"snakemake\.(input|output|params)\.(\w+)", script.read_text())
        assert asked
        for directive, name in asked:
            if name != "items":  # snakemake.output.items() hands all of them over by name
                assert name in rule.names(directive), f"{script.name}: {directive}.{name}"
        used = {name for directive, name in asked if directive == "params"}
        used |= {"script"} if "family.py" in rule.directives["script"] else set()
        spare = rule.names("params") - used - {"code"} - WITNESSES.get(rule.name, set())
        assert not spare, f"{script.name}: {spare} are not handed over"


def test_every_wildcard_is_constrained() -> None:
    constrained = set(re.findall(r"^    (\w+)=one_of", COMMON, re.MULTILINE))
    directives = ("input", "output", "log", "benchmark")
    text = "".join(rule.directives.get(directive, "") for rule in rules() for directive in directives)
    paths = re.findall(r'"(results/[^"]+)"', text)
    used = {name for path in paths for name in re.findall(r"(?<!{){(\w+)}(?!})", path)}
    assert {"dataset", "model", "method", "seed", "task"} <= used
    free = {"run", "file", "table"}  # filled in by collect() in the same line
    assert used - free <= constrained


def test_figures_are_the_plot_scripts() -> None:
    figures = re.search(r"^FIGURES = .*?\[(.*?)\]$", COMMON, re.MULTILINE | re.DOTALL)[1]
    listed = re.findall(r'"(\w+)"', figures)
    assert sorted(f"plot_{figure}.py" for figure in listed) == sorted(
        p.name for p in SCRIPTS.glob("plot_*.py")
    )


def test_every_script_belongs_to_a_rule() -> None:
    assert {script for rule in rules() for script in rule.scripts()} == set(SCRIPT_FILES)


def test_snakefile_is_a_table_of_contents() -> None:
    text = (ROOT / "Snakefile").read_text()
    assert len(text.splitlines()) <= 40
    assert sorted(re.findall(r'include: "rules/(\w+)\.smk"', text)) == sorted(
        path.stem for path in (ROOT / "rules").glob("*.smk")
    )


def test_each_stage_opens_with_its_contract() -> None:
    stages = [
        path for path in sorted((ROOT / "rules").glob("*.smk")) if path.stem not in ("common", "inputs")
    ]
    assert len(stages) == 13
    for path in stages:
        assert re.match(
            r'""".+\.\n\nINPUT   .+\nOUTPUT  results/', re.sub(r"\n {8}", " ", path.read_text())
        ), path


def test_helpers_of_the_rules_are_short() -> None:
    helpers = COMMON + (ROOT / "rules/inputs.smk").read_text()
    functions = re.findall(r"^def (\w+)\(.*?\n(?=\S|\Z)", helpers, re.MULTILINE | re.DOTALL)
    bodies = re.split(r"^def ", helpers, flags=re.MULTILINE)[1:]
    assert len(functions) == len(bodies) > 10
    for body in bodies:
        name, text = body.split("(")[0], re.split(r"^\S", body[1:], maxsplit=1, flags=re.MULTILINE)[0]
        lines = [line for line in text.splitlines() if line.strip()]
        assert name in {"code", "sources", "imported"} or len(lines) <= 8, f"{name}: {len(lines)} lines"


# --- scripts and modules ----------------------------------------------------------------------------------


@pytest.mark.parametrize("script", SCRIPT_FILES, ids=ids(SCRIPT_FILES))
def test_script_ends_with_the_two_statement_guard(script: Path) -> None:
    body = tree(script).body
    guard = body[-1]
    assert isinstance(guard, ast.If) and ast.unparse(guard.test) == "__name__ == '__main__'"
    first, second = guard.body
    assert ast.unparse(first) == "capture(snakemake.log[0])"
    assert isinstance(second, ast.Expr) and isinstance(second.value, ast.Call)
    assert ast.unparse(second.value.func) == "main"
    assert not second.value.args and second.value.keywords
    above = [node for statement in body[:-1] for node in ast.walk(statement)]
    assert not [n for n in above if isinstance(n, ast.Name) and n.id == "snakemake"]
    assert "snakemake.config" not in script.read_text()


@pytest.mark.parametrize("script", SCRIPT_FILES, ids=ids(SCRIPT_FILES))
def test_script_is_short_documented_and_tested(script: Path) -> None:
    assert len(script.read_text().splitlines()) <= 150
    assert ast.get_docstring(tree(script))
    family = script.stem.split("_")[0]
    tests = {path.stem for path in (ROOT / "tests/scripts").glob("test_*.py")}
    assert {f"test_{script.stem}", f"test_{family}"} & tests, f"no tests/scripts/test_{script.stem}.py"


@pytest.mark.parametrize(
    "file", PYTHON_FILES, ids=[str(p.relative_to(ROOT / "workflow")) for p in PYTHON_FILES]
)
def test_code_keeps_the_rules_of_the_house(file: Path) -> None:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef):
            start = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0].lineno
            length = node.end_lineno - start + 1
            assert length <= 40, f"{node.name}: {length} lines"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            owner = ast.unparse(node.func.value)
            named = re.search(r"\b(config|settings|hardware|params|study|lora)\b", owner)
            assert not named or len(node.args) == 1, f"{owner}.get hides a default"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, "a bare except"
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import: the rerun digest does not follow it"
        if isinstance(node, ast.Import):
            ours = [alias.name for alias in node.names if alias.name.split(".")[0] == "workflow"]
            assert not ours, "write `from workflow.lib.x import y`: the rerun digest follows only `from`"
    ours = {name for name in modules(file) if name.split(".")[0] == "workflow"}
    assert all(name.startswith("workflow.lib") for name in ours)


@pytest.mark.parametrize(
    "file", PYTHON_FILES, ids=[str(p.relative_to(ROOT / "workflow")) for p in PYTHON_FILES]
)
def test_library_knows_nothing_of_snakemake(file: Path) -> None:
    if file not in SCRIPT_FILES:
        assert not {name for name in modules(file) if name.split(".")[0] == "snakemake"}


# --- schema -----------------------------------------------------------------------------------------------


def schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema inside the schema files with its place."""

    def walk(node: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if isinstance(node, dict):
            if "type" in node or "$ref" in node or "enum" in node or "const" in node or "oneOf" in node:
                yield place, node
            for key, value in node.items():
                yield from walk(value, f"{place}/{key}")
        elif isinstance(node, list):
            for index, value in enumerate(node):
                yield from walk(value, f"{place}/{index}")

    for path in sorted((ROOT / "config/schemas").glob("*.yaml")):
        yield from walk(yaml.safe_load(path.read_text()), path.stem)


OPTIONAL = {"options", "limits", "chat_template"}  # most sources need neither, most models have a template


def test_every_object_of_the_schema_is_closed() -> None:
    objects = [(place, node) for place, node in schemas() if "object" in node.get("type", ())]
    assert len(objects) >= 20
    for place, node in objects:
        if "properties" in node:
            assert node.get("additionalProperties") is False, f"{place} is open"
            required = set(node.get("required", ()))
            optional = set(node["properties"]) - required - OPTIONAL
            assert not optional or "minProperties" in node, f"{place}: optional keys {sorted(optional)}"
        else:
            patterns = "patternProperties" in node and node["additionalProperties"] is False
            assert patterns or isinstance(node["additionalProperties"], dict), f"{place} is open"
            assert "propertyNames" in node, f"{place}: any name goes"


def test_every_key_of_the_schema_is_described() -> None:
    content = yaml.safe_load((ROOT / "config/schemas/config.schema.yaml").read_text())
    described = 0
    for place, node in schemas():
        for key, value in node.get("properties", {}).items():
            target = content["$defs"][value["$ref"].split("/")[-1]] if "$ref" in value else value
            text = value.get("description") or target.get("description")
            assert text and len(text) > 3, f"{place}/{key} has no description"
            described += 1
    assert described > 100


# --- files ------------------------------------------------------------------------------------------------

# Written in two halves, so that this file passes its own test.
HOSTS = ["pypi" + ".org", "python" + "hosted", "pytorch" + ".org/whl", "anaconda" + ".org", "npmjs" + ".org"]
HOSTS += ["debian" + ".org", "ubuntu" + ".com", "prefix" + ".dev"]
PLACES = re.compile(r"(?<![\w.}~/-])/(?:work|root|opt|tmp)/[\w.]")


def test_no_file_names_a_registry_or_a_place_on_this_machine() -> None:
    files = tracked()
    assert len(files) > 100
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        assert not [host for host in HOSTS if host in text], file
        found = PLACES.search(text)
        assert not found, f"{file}: {text[found.start() - 30 : found.end() + 30]!r}"


def test_no_file_holds_a_note_to_self() -> None:
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert not [str(file) for file in tracked() if marks.search(file.read_text(errors="replace"))]
