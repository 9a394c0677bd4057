"""axe-core is taken from one known package or not at all; without it nothing else stops."""

import base64
import hashlib
import io
import tarfile

import pytest

from envs import axe


def package(name: str = axe.MEMBER) -> bytes:
    """Return a package with one file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        about = tarfile.TarInfo(name)
        about.size = 4
        archive.addfile(about, io.BytesIO(b"code"))
    return stream.getvalue()


def test_only_the_package_that_was_looked_at_is_unpacked() -> None:
    content = package()
    digest = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    assert axe.member(content, digest) == b"code"
    with pytest.raises(OSError, match="expected sha512-FHfa"):
        axe.member(content, axe.INTEGRITY)


def test_without_npm_it_says_so_and_goes_on(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    axe.main(str(tmp_path))
    assert "npm is not installed; the test of the report with it will be skipped" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
