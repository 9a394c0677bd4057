"""Write the conda environments from the table of versions and the locks.

    .venv/bin/python envs/render.py

Each file pins everything: its direct dependencies from versions.toml, and from the lock all that those need.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

ENVS = Path(__file__).resolve().parent


def read_table() -> dict[str, Any]:
    """Return the table of versions."""
    return tomllib.loads((ENVS / "versions.toml").read_text())


def read_lock(name: str) -> dict[str, tuple[str, set[str]]]:
    """Return each package of a lock with its version and the packages that ask for it."""
    lines = re.findall(
        r"^([a-z0-9-]+)==(\S+)  # (.*)$", (ENVS / f"{name}.lock.txt").read_text(), re.MULTILINE
    )
    return {package: (version, set(via.split(", "))) for package, version, via in lines}


def closure(direct: list[str], lock: dict[str, tuple[str, set[str]]]) -> set[str]:
    """Return ``direct`` and everything in the lock that they need, directly or not."""
    found: set[str] = set()
    new = set(direct)
    while new:
        found |= new
        new = {package for package, (_, via) in lock.items() if via & found} - found
    return found


def render(name: str, table: dict[str, Any]) -> str:
    """Return the text of one conda environment."""
    environment = table["environments"][name]
    direct = environment["packages"]
    lock = read_lock(environment["lock"])
    needed = sorted(closure(direct, lock) - set(direct))
    lines = [
        f"# To {environment['purpose']}. Written by envs/render.py from envs/versions.toml and its locks.",
        f"channels: [{', '.join(table['channels'])}]",
        "dependencies:",
        f"  - python ={table['python']}",
        f"  - pip ={table['pip']}",
        "  - pip:",
        *(f"      - {package}=={lock[package][0]}" for package in direct),
        "      # and what these need:",
        *(f"      - {package}=={lock[package][0]}" for package in needed),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write every conda environment that the table describes."""
    table = read_table()
    for name, environment in table["environments"].items():
        if environment["lock"] != "dev":
            (ENVS / f"{name}.yaml").write_text(render(name, table))
            print(f"envs/{name}.yaml")


if __name__ == "__main__":
    main()
