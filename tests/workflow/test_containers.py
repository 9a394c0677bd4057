"""Recipes of containers: as the table says, and without anything that a linter complains of."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from envs.render import read_table, rendered
from tests.source import ROOT

RECIPES = rendered(read_table())
HADOLINT = Path(sys.executable).with_name("hadolint")


def lint(text: str) -> str:
    """Return what hadolint has to say about a Dockerfile."""
    done = subprocess.run(
        [HADOLINT, "--no-color", "-"], input=text, capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_as_rendered_from_table_and_locks(name: str) -> None:
    assert (ROOT / f"envs/{name}").read_text() == RECIPES[name]


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_creates_each_environment_once_from_files_that_are_there(name: str) -> None:
    text = RECIPES[name]
    copied = dict(re.findall(r"^(?:COPY|   ) (\S+) (/conda-envs/\S+)$", text, re.MULTILINE))
    assert copied and all((ROOT / source).is_file() for source in copied)
    files = {target for target in copied.values() if target.endswith(".yaml")}
    assert sorted(re.findall(r"conda env create \S+ \S+ \S+ --file (\S+)", text)) == sorted(files)
    scripts = set(copied.values()) - files
    assert re.findall(r"conda run --prefix \S+ bash (\S+)", text) == sorted(scripts)
    assert len(scripts) == (name == "cpu.Dockerfile")  # vLLM for CPUs needs one
    assert text.count("conda clean") == len(files) == 6


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint is not installed: make environment")
@pytest.mark.parametrize("name", [name for name in RECIPES if name.endswith("Dockerfile")])
def test_hadolint_has_nothing_to_say(name: str) -> None:
    assert lint(RECIPES[name]) == ""
    assert "DL3007" in lint(re.sub(r"^(FROM \S+):\S+", r"\1:latest", RECIPES[name], flags=re.MULTILINE))
