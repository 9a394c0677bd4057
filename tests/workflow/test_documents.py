"""The documents keep up with the code: tables from the schema, the tree of files, links, commands."""

import re
from pathlib import Path

import pytest
import yaml

from docs import render
from tests.source import ROOT, SCRIPTS, tree

PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "config/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def anchor(heading: str) -> str:
    """Return the anchor that a heading gets on a page."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def test_table_of_config_keys_is_as_rendered() -> None:
    assert (ROOT / "config/README.md").read_text() == render.config_readme(), "run: make docs"


def test_table_of_config_keys_names_every_key_of_the_demo() -> None:
    page = (ROOT / "config/README.md").read_text()

    def keys(node: object) -> set[str]:
        if isinstance(node, dict):
            return set(node).union(*map(keys, node.values()))
        return set().union(*map(keys, node)) if isinstance(node, list) else set()

    demo = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    named = {name for section in ("datasets", "models", "teachers") for name in demo[section]}
    named |= (
        set(demo["evaluation"]["tasks"])
        | set(demo["preferences"]["strategy"])
        | set(demo["prompts"]["pinned"])
    )
    wanted = keys(demo) - named
    assert len(wanted) > 80
    assert not {key for key in wanted if not re.search(rf"\b{key}\b", page)}


def test_tree_of_files_is_as_rendered() -> None:
    text = (ROOT / "README.md").read_text()
    assert render.TREE.search(text)
    assert text == render.readme(), "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"[a-z]+:", target):
            path, _, place = target.partition("#")
            found = page.parent / path if path else page
            assert found.exists(), f"{page.name}: {target}"
            headings = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE) if place else []
            assert not place or place in map(anchor, headings), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_files_that_pages_name_exist(page: Path) -> None:
    text = page.read_text()
    named = re.findall(r"`((?:config|docs|envs|profiles|rules|slurm|tests|workflow)/[\w./-]+\.\w+)`", text)
    real = [name for name in named if "NAME" not in name]
    missing = {name for name in real if not (ROOT / name).exists() and not (page.parent / name).exists()}
    assert not missing


def test_methods_page_points_at_functions_that_exist() -> None:
    named = re.findall(r"`workflow\.lib\.(\w+)\.(\w+)`", (ROOT / "docs/methods.md").read_text())
    assert len(named) >= 10
    for module, function in named:
        defined = {getattr(node, "name", "") for node in tree(ROOT / f"workflow/lib/{module}.py").body}
        assert function in defined, f"workflow.lib.{module}.{function}"


def test_every_method_has_its_section() -> None:
    headings = re.findall(r"^## .*\(`(\w+)`\)", (ROOT / "docs/methods.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(path.stem.removeprefix("train_") for path in SCRIPTS.glob("train_*.py"))


def test_every_figure_is_offered_as_a_target() -> None:
    text = (ROOT / "README.md").read_text()
    figures = {path.stem.removeprefix("plot_") for path in SCRIPTS.glob("plot_*.py")}
    assert set(re.findall(r"results/figures/(\w+)\.\w+", text)) >= figures
