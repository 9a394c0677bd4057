"""Releases: the version is in one place, and the changelog and the tags agree with it."""

import re
import subprocess
from datetime import date

import pytest
import yaml

from tests.source import ROOT

CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
HEADINGS = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def tags(*options: str) -> list[str]:
    """Return the tags of releases in this clone."""
    command = ["git", "-C", str(ROOT), "tag", "--list", "v*", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this is no clone")
    return done.stdout.split()


def test_the_changelog_has_what_is_not_released_and_then_every_release_by_its_number() -> None:
    assert HEADINGS[0] == "Unreleased" and len(HEADINGS) > 1
    parts = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) - (\d{4}-\d\d-\d\d)", told) for told in HEADINGS[1:]]
    assert all(parts)
    numbers = [tuple(map(int, part.groups()[:3])) for part in parts]
    days = [date.fromisoformat(part[4]) for part in parts]
    assert numbers == sorted(set(numbers), reverse=True) and days == sorted(days, reverse=True)


def test_the_version_is_that_of_the_newest_release() -> None:
    assert HEADINGS[1] == f"{CITATION['version']} - {CITATION['date-released']}"


def test_every_tag_is_a_release() -> None:
    """And a commit with a tag has the version of its tag."""
    assert set(tags()) <= {f"v{told.split()[0]}" for told in HEADINGS[1:]}
    assert set(tags("--points-at", "HEAD")) <= {f"v{CITATION['version']}"}
