"""Digests of code: what changes them and what does not."""

import ast
from pathlib import Path

import pytest

from workflow.lib.fingerprints import fingerprint, sources, syntax_of

FILES = {
    "workflow/scripts/do_it.py": "from workflow.lib.one import f\nfrom workflow.lib.pack import inner\nf()\n",
    "workflow/lib/one.py": "from workflow.lib.two import g\n\n\ndef f():\n    return g()\n",
    "workflow/lib/two.py": "def g():\n    return 2\n",
    "workflow/lib/other.py": "X = 1\n",
    "workflow/lib/pack/__init__.py": "",
    "workflow/lib/pack/inner.py": "Y = 1\n",
}
SCRIPT = "workflow/scripts/do_it.py"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def digest(root: Path) -> str:
    fingerprint.cache_clear()
    return fingerprint(root, SCRIPT)


def test_imports_are_followed(root):
    found = {path.relative_to(root).as_posix() for path in sources(root, root / SCRIPT)}
    assert found == set(FILES) - {"workflow/lib/other.py"}


@pytest.mark.parametrize("name", FILES)
def test_code_that_is_imported_counts_and_other_code_does_not(root, name):
    before = digest(root)
    (root / name).write_text(FILES[name] + "\nEDITED = True\n")
    assert (digest(root) != before) == (name != "workflow/lib/other.py")


def test_comments_and_layout_do_not_count(root):
    before = digest(root)
    path = root / "workflow/lib/two.py"
    path.write_text("# a remark\n" + path.read_text().replace("return 2", "return (\n        2\n    )"))
    assert digest(root) == before


def test_a_module_that_two_scripts_share_is_parsed_once(root, monkeypatch):
    other = root / "workflow/scripts/do_other.py"
    other.write_text("from workflow.lib.one import f\n\nf(2)\n")
    parsed = []
    monkeypatch.setattr("ast.parse", lambda text, parse=ast.parse: parsed.append(text) or parse(text))
    fingerprint.cache_clear()
    syntax_of.cache_clear()
    assert fingerprint(root, SCRIPT) != fingerprint(root, "workflow/scripts/do_other.py")
    # six files of the two scripts, one of which is empty: do_it, one, two, pack, inner; do_other
    assert len(parsed) == len(set(parsed)) == 6
