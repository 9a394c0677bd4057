"""A ``conda`` command with what Snakemake asks of it, on the solver and installer of py-rattler.

    front_end.py BASE info|config|clean|create|env …

``BASE/channels`` has the channels, by name; no other place is looked at. The ``pip:`` section is installed
by the environment's own pip. What this interpreter has installed in the pinned version is linked into the
environment before that, as from a cache of packages; pip finds it there, and resolves the section.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from importlib.metadata import Distribution, distributions
from importlib.util import cache_from_source
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler import Channel, ChannelConfig, Gateway, VirtualPackage, install, solve

VERSION = "24.9.0"  # of the conda whose commands these are


async def install_from_channels(base: Path, names: list[str], specs: list[str], prefix: Path) -> None:
    """Solve ``specs`` against the channels of these names and put the packages into ``prefix``."""
    config = ChannelConfig((base / "channels").resolve().as_uri() + "/")
    records = await solve(
        [Channel(name, config) for name in names if name != "nodefaults"],
        specs,
        gateway=Gateway(cache_dir=base / "cache"),
        platforms=["linux-64", "noarch"],
        virtual_packages=VirtualPackage.detect(),
    )
    await install(records, prefix, cache_dir=base / "packages", show_progress=False)


def place(source: Path, target: Path) -> None:
    """Link a file, or copy it where the two are on different disks."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def link(package: Distribution, target: Path) -> None:
    """Link the modules of an installed package, compiled ones too, and what tells of it into ``target``."""
    for name in (name for name in package.files or () if ".." not in name.parts and name.suffix != ".pyc"):
        paths = (Path(package.locate_file(name)), target / name)
        compiled = [Path(cache_from_source(str(path))) for path in paths if name.suffix == ".py"]
        for old, new in filter(None, (paths, compiled)):
            if old.exists() and not new.exists():
                new.parent.mkdir(parents=True, exist_ok=True)
                place(old, new)


def install_pip_section(lines: list[str], prefix: Path) -> None:
    """Install what conda does not have, with the environment's own pip."""
    python = [str(prefix / "bin/python"), "-I"]
    asked = [*python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    target = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    here = {
        canonicalize_name(d.metadata["Name"]): d for d in distributions(path=[sysconfig.get_path("purelib")])
    }
    for requirement in map(Requirement, lines):
        found = here.get(canonicalize_name(requirement.name))
        if found and requirement.specifier.contains(found.version):
            link(found, target)
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text("\n".join(lines) + "\n")
        subprocess.run([*python, "-m", "pip", "install", "--quiet", "-r", str(requirements)], check=True)


def create(arguments: argparse.Namespace) -> None:
    """Create an environment from a file."""
    wanted = yaml.safe_load(arguments.file.read_text())
    specs = [entry for entry in wanted["dependencies"] if isinstance(entry, str)]
    asyncio.run(install_from_channels(arguments.base, wanted["channels"], specs, arguments.prefix))
    for section in (entry["pip"] for entry in wanted["dependencies"] if isinstance(entry, dict)):
        install_pip_section(section, arguments.prefix)


def info(arguments: argparse.Namespace) -> None:
    """Say where conda is, and for which platform."""
    print(json.dumps({"conda_prefix": str(arguments.base), "platform": "linux-64"}))


def config(arguments: argparse.Namespace) -> None:
    """Say the one setting that is asked for."""
    print(json.dumps({"get": {arguments.get: "strict"}}))


def clean(_: argparse.Namespace) -> None:
    """Delete what was downloaded: nothing is."""


def main(words: Sequence[str]) -> None:
    """Do what one command line says."""
    parser = argparse.ArgumentParser(prog="conda")
    parser.add_argument("base", type=Path)
    parser.add_argument("--version", action="version", version=f"conda {VERSION}")
    commands = parser.add_subparsers(required=True)
    telling = commands.add_parser("info")
    telling.add_argument("--json", action="store_true")
    telling.set_defaults(do=info)
    configuring = commands.add_parser("config")
    configuring.add_argument("--get")
    configuring.add_argument("--json", action="store_true")
    configuring.set_defaults(do=config)
    cleaning = commands.add_parser("clean")
    cleaning.add_argument("-y", action="store_true")
    cleaning.add_argument("--tarballs", action="store_true")
    cleaning.set_defaults(do=clean)
    creating = commands.add_parser("env").add_subparsers(required=True).add_parser("create")
    creating.add_argument("--quiet", action="store_true")
    creating.add_argument("--no-default-packages", action="store_true")
    creating.add_argument("--file", type=Path, required=True)
    creating.add_argument("--prefix", type=Path, required=True)
    creating.set_defaults(do=create)
    arguments = parser.parse_args(words)
    arguments.do(arguments)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(f"conda: {error}")
