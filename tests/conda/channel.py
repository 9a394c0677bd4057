"""A conda channel in a folder: this machine's Python, repackaged, and pip as it is installed here.

The interpreter's shared library, where it has one, stays where it is: the channel is for this machine.
"""

import asyncio
import hashlib
import io
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Mapping
from importlib.metadata import distribution, version
from pathlib import Path

from rattler.index import index_fs

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
BASE = Path(sys.base_prefix)
# Of no use in an environment, or not the interpreter's own.
LEFT_OUT = {
    *("EXTERNALLY-MANAGED", "__pycache__", "config-3.11-x86_64-linux-gnu", "dist-packages", "ensurepip"),
    *("idlelib", "lib2to3", "site-packages", "test", "tests", "tkinter", "turtledemo"),
}


def interpreter() -> dict[str, Path]:
    """Return the files of Python and its own library, by their paths in an environment."""
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": str(BASE)}))
    found = {name: BASE / "bin" / PYTHON for name in ("bin/python", "bin/python3", f"bin/{PYTHON}")}
    for folder, below, names in os.walk(library):
        below[:] = [name for name in below if name not in LEFT_OUT]
        files = (Path(folder, name) for name in names if name not in LEFT_OUT)
        found |= {f"lib/{PYTHON}/{file.relative_to(library)}": file for file in files if file.exists()}
    return found


def pip(prefix: Path) -> dict[str, Path]:
    """Return the files of pip, by their paths in an environment whose Python is in ``prefix``.

    Debian's Python looks for packages in other folders than Python elsewhere, so it is asked.
    """
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    command = [str(prefix / "bin/python"), "-I", "-c", asked]
    folder = Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    home = folder.relative_to(prefix.resolve())
    files = [file for file in distribution("pip").files or () if ".." not in file.parts]
    return {str(home / file): Path(file.locate()) for file in files if file.suffix != ".pyc"}


def write_package(
    channel: Path, name: str, release: str, files: Mapping[str, Path], depends: list[str]
) -> None:
    """Write one package in the older of conda's two formats."""
    index = {"name": name, "version": release, "build": "0", "build_number": 0, "depends": depends}
    index |= {"subdir": "linux-64", "arch": "x86_64", "platform": "linux"}
    (channel / "linux-64").mkdir(parents=True, exist_ok=True)
    archive = channel / f"linux-64/{name}-{release}-0.tar.bz2"
    with tarfile.open(archive, "w:bz2", compresslevel=1) as package:
        entries = []
        for target, file in files.items():
            content = file.read_bytes()
            add(package, target, content, file.stat().st_mode & 0o777)
            digest = hashlib.sha256(content).hexdigest()
            entry = {"_path": target, "path_type": "hardlink", "sha256": digest}
            entries.append(entry | {"size_in_bytes": len(content)})
        add(package, "info/index.json", json.dumps(index).encode())
        add(package, "info/paths.json", json.dumps({"paths": entries, "paths_version": 1}).encode())


def add(package: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    """Add one file to a package."""
    about = tarfile.TarInfo(name)
    about.size, about.mode = len(content), mode
    package.addfile(about, io.BytesIO(content))


def write_channel(channel: Path, scratch: Path) -> None:
    """Write the channel into ``channel``; ``scratch`` holds an interpreter on trial."""
    files = interpreter()
    for target, file in files.items():
        (scratch / target).parent.mkdir(parents=True, exist_ok=True)
        (scratch / target).write_bytes(file.read_bytes())
        (scratch / target).chmod(file.stat().st_mode)
    write_package(channel, "python", ".".join(map(str, sys.version_info[:3])), files, [])
    write_package(channel, "pip", version("pip"), pip(scratch), ["python"])
    asyncio.run(index_fs(channel, write_shards=False))
