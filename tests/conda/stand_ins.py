"""What the tests' ``conda`` is made of: the command, its channel, and wheels of what no CPU needs."""

import os
import shlex
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from envs.render import read_lock
from tests.conda.channel import write_channel

FRONT_END = Path(__file__).with_name("front_end.py")
ACTIVATE = 'export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n'
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def only_for_cuda() -> dict[str, str]:
    """Return the packages of the CUDA lock that the CPU lock leaves out, with their versions."""
    here = read_lock("cpu")
    return {name: version for name, (version, _) in read_lock("cuda").items() if name not in here}


def write_empty_wheels(folder: Path, packages: Mapping[str, str]) -> None:
    """Write wheels that have a name, a version and no module."""
    folder.mkdir()
    for name, version in packages.items():
        stem = f"{name.replace('-', '_')}-{version}"
        about = f"{stem}.dist-info"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{about}/METADATA", METADATA.format(name=name, version=version))
            wheel.writestr(f"{about}/WHEEL", WHEEL)
            wheel.writestr(f"{about}/RECORD", "")


def write_conda(base: Path) -> dict[str, str]:
    """Put a ``conda`` into ``base`` and return the variables with which it works without a network."""
    write_channel(base / "channels/conda-forge", base / "trial")
    write_empty_wheels(base / "wheels", only_for_cuda())
    (base / "bin").mkdir()
    command = base / "bin/conda"
    words = shlex.join([sys.executable, str(FRONT_END), str(base)])
    command.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    command.chmod(0o755)
    (base / "bin/activate").write_text(ACTIVATE)
    pip = {
        "CONFIG_FILE": os.devnull,
        "EXTRA_INDEX_URL": "",
        "FIND_LINKS": str(base / "wheels"),
        "NO_INDEX": "1",
    }
    pip |= {"NO_COMPILE": "1", "ROOT_USER_ACTION": "ignore", "DISABLE_PIP_VERSION_CHECK": "1"}
    path = os.pathsep.join([str(base / "bin"), os.environ["PATH"]])
    return {"PATH": path, **{f"PIP_{name}": value for name, value in pip.items()}}
