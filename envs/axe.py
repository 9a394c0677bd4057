"""Fetch axe-core, with which a test looks for what keeps people from reading the report.

    python envs/axe.py .venv

One file, unpacked from the package of one version after its digest was compared. Nothing but npm is needed;
where it cannot be had, the test says why it is skipped and all others run.
"""

import base64
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "4.14.1"
INTEGRITY = "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
MEMBER = "package/axe.min.js"
PATIENCE = 60  # seconds


def packed(folder: str) -> bytes:
    """Return the package as npm packs it into ``folder``.

    Raises:
        OSError: There is no npm, or it could not fetch the package.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("npm is not installed")
    command = [npm, "pack", f"axe-core@{VERSION}", "--silent", "--pack-destination", folder]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE, cwd=folder)
    except subprocess.SubprocessError as error:
        raise OSError(f"npm could not fetch axe-core {VERSION}: {error}") from error
    (package,) = Path(folder).glob("*.tgz")
    return package.read_bytes()


def member(package: bytes, integrity: str) -> bytes:
    """Return the one file of the package that is used.

    Raises:
        OSError: The package is another one than was looked at.
    """
    found = "sha512-" + base64.b64encode(hashlib.sha512(package).digest()).decode()
    if found != integrity:
        raise OSError(f"axe-core {VERSION}: expected {integrity}, found {found}")
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        stream = archive.extractfile(MEMBER)
        assert stream is not None
        return stream.read()


def main(folder: str) -> None:
    """Put the file into ``folder``, or say why it is not there."""
    try:
        with tempfile.TemporaryDirectory() as name:
            (Path(folder) / "axe.min.js").write_bytes(member(packed(name), INTEGRITY))
    except OSError as error:
        print(f"axe-core: {error}; the test of the report with it will be skipped.")


if __name__ == "__main__":
    main(sys.argv[1])
