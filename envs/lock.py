"""Resolve versions.toml into locks: one line per package, with what asked for it.

    .venv/bin/python envs/lock.py [--upgrade] [cpu] [cuda] [driver] [dev]

Only metadata are read: nothing is installed, and wheels are not downloaded where the index answers ranges. A
package that a lock already pins keeps its version unless the table says otherwise or --upgrade is given.
Run envs/render.py afterwards.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ENVS = Path(__file__).resolve().parent


def canonical(name: str) -> str:
    """Return the normal form of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_of(lock: Path) -> dict[str, str]:
    """Return the pinned version of each package in a lock."""
    lines = lock.read_text().splitlines() if lock.exists() else []
    pinned = (line.split("#")[0].strip().split("==") for line in lines if "==" in line.split("#")[0])
    return {canonical(name): version for name, version in pinned}


def wanted(table: dict[str, Any], lock: dict[str, Any]) -> dict[str, str]:
    """Return the direct dependencies of a lock with their versions."""
    named = {p for env in lock["environments"] for p in table["environments"][env]["packages"]}
    named |= set(lock.get("extra", ()))
    return {
        p: lock.get("pins", {}).get(p, table["versions"][p])
        for p in sorted(named - set(lock.get("without", ())))
    }


def resolve(requirements: list[str], constraints: dict[str, str], *, plain: bool) -> list[dict[str, Any]]:
    """Return pip's resolution of ``requirements``: the metadata of every package chosen."""
    with tempfile.TemporaryDirectory() as folder:
        report, limits = Path(folder, "report.json"), Path(folder, "limits.txt")
        limits.write_text("".join(f"{name}=={version}\n" for name, version in constraints.items()))
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "-qq"]
        command += ["--use-feature=fast-deps", "--report", str(report), "-c", str(limits), *requirements]
        plain_index = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
        environment = os.environ | {"DS_BUILD_OPS": "0"} | (plain_index if plain else {})
        subprocess.run(command, check=True, env=environment)
        return list(json.loads(report.read_text())["install"])


def askers(chosen: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Return, for each package, the packages that ask for it (in rounds: an extra can ask for extras)."""
    extras = {canonical(item["metadata"]["name"]): {""} for item in chosen}
    found: dict[str, set[str]] = {}
    before = None
    while before != (before := (sum(map(len, extras.values())), sum(map(len, found.values())))):
        for item in chosen:
            name = canonical(item["metadata"]["name"])
            for need in map(Requirement, item["metadata"].get("requires_dist", [])):
                if need.marker is None or any(
                    need.marker.evaluate({"extra": extra}) for extra in extras[name]
                ):
                    found.setdefault(canonical(need.name), set()).add(name)
                    extras[canonical(need.name)] |= need.extras
    return found


def make_lock(name: str, table: dict[str, Any], *, upgrade: bool) -> str:
    """Return the text of one lock."""
    lock = table["locks"][name]
    direct = wanted(table, lock)
    below = pins_of(ENVS / f"{lock['on_top_of']}.lock.txt") if "on_top_of" in lock else {}
    keep = {} if upgrade else pins_of(ENVS / f"{name}.lock.txt")
    apart, without = lock.get("apart", {}), lock.get("without", {})
    requirements = [f"{package}=={version}" for package, version in direct.items() if package not in apart]
    chosen = resolve(requirements, keep | below | direct, plain=lock.get("plain_index", False))
    asked = askers(chosen)
    versions = {canonical(item["metadata"]["name"]): item["metadata"]["version"] for item in chosen}
    versions |= {package: direct[package] for package in apart if package in direct}
    lines = [
        "# Written by envs/lock.py (pip install --no-deps -r). After #: what asks for it; * is the table."
    ]
    for package in sorted(versions.keys() - without.keys() - below.keys()):
        via = sorted(asked.get(package, set()) - without.keys())
        lines.append(f"{package}=={versions[package]}  # {', '.join(['*'] * (package in direct) + via)}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the locks that were asked for."""
    table = tomllib.loads((ENVS / "versions.toml").read_text())
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(table["locks"]))
    parser.add_argument("--upgrade", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.names:
        text = make_lock(name, table, upgrade=arguments.upgrade)
        (ENVS / f"{name}.lock.txt").write_text(text)
        print(f"{name}.lock.txt: {text.count('==')} packages")


if __name__ == "__main__":
    main()
