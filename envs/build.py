"""Build a virtual environment from locks.

    python3.11 envs/build.py .venv cpu [dev] [cloud]

The first lock fills the environment; others are added to it, or put into a folder of their own in it. Only
what changed since the last call is done; a new first lock starts from nothing, so that no package of an older
lock stays behind. Nothing but Python's own library is needed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from pathlib import Path

ENVS = Path(__file__).resolve().parent
OLDEST, NEWEST = (3, 11), (3, 13)  # versions of Python that the locks have wheels for
SHOW_EVERY = 20.0  # seconds between two lines of progress
BESIDE = {"cloud"}  # locks that are used on request: PYTHONPATH=.venv/cloud
# What jobs of the demo import, a process each: Python compiles it here, once, and not in the first jobs.
WARMED = {
    "cpu": (
        "from vllm import LLM; import vllm.v1.engine.core, vllm.v1.worker.cpu_worker",
        "from trl import DPOTrainer, RewardTrainer; import trl.experimental.orpo, lm_eval.models.huggingface",
    )
}


class BuildError(Exception):
    """What stopped the build, and the remedy."""


def check_machine() -> None:
    """Refuse a Python that the locks do not fit, or one without its venv module."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        raise BuildError("Python 3.11, 3.12 or 3.13 is needed. Fix: make PYTHON=/path/to/python3.11")
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        raise BuildError(
            "this Python cannot make environments. Fix: make system (or install python3-venv)"
        ) from None


def pip(folder: Path, *arguments: str) -> None:
    """Run the environment's pip and say every little while that it is still at work."""
    # -qq keeps errors and hides warnings, of which some indices cause thousands.
    # --no-compile: few of the 30,000 modules are ever imported, and Python compiles those when they are.
    options = ["-qq", "--no-deps", "--no-input", "--no-compile"]
    command = [str(folder / "bin/python"), "-m", "pip", "install", *options, *arguments]
    environment = os.environ | {"DS_BUILD_OPS": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    started = time.monotonic()
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                process.wait(timeout=SHOW_EVERY)
            except subprocess.TimeoutExpired:
                installed = len(list(folder.glob("lib/python3.*/site-packages/*.dist-info")))
                print(f"  {time.monotonic() - started:4.0f} s  {installed} packages installed", flush=True)
    if process.returncode:
        raise BuildError(f"pip could not install {arguments[-1]}: its message is above")


def create(folder: Path) -> None:
    """Make an empty environment with the pinned installer in it."""
    versions = tomllib.loads((ENVS / "versions.toml").read_text())
    venv.create(folder, clear=True, with_pip=True, symlinks=True)
    pip(folder, f"pip=={versions['pip']}", f"setuptools=={versions['versions']['setuptools']}")


def install_lock(folder: Path, name: str) -> None:
    """Install every package of one lock."""
    lock = ENVS / f"{name}.lock.txt"
    packages = sum("==" in line for line in lock.read_text().splitlines())
    print(f"{folder}: installing {packages} packages of envs/{lock.name}", flush=True)
    try:
        place = ("--upgrade", "--target", str(folder / name)) if name in BESIDE else ()
        pip(folder, "--no-build-isolation", *place, "-r", str(lock))
    except BuildError as error:
        advice = (
            " (torch for CPU comes from PyTorch's own index: set PIP_EXTRA_INDEX_URL to it, or use LOCK=cuda)"
        )
        raise BuildError(f"{error}{advice if name == 'cpu' else ''}") from None
    if name == "cpu":
        with tempfile.TemporaryDirectory() as scratch:  # a build writes beside its source
            shim = shutil.copytree(ENVS / "shim", Path(scratch, "shim"))
            pip(folder, "--no-build-isolation", str(shim))


def warm(folder: Path, name: str) -> None:
    """Import what jobs import, which shows as well that the environment is sound."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    running = []
    for imports in WARMED.get(name, ()):
        command = [str(folder / "bin/python"), "-c", imports]
        running.append(
            subprocess.Popen(command, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        )
    for process in running:
        _, told = process.communicate()
        if process.returncode:
            why = told.strip().splitlines() or [f"exit code {process.returncode}"]
            raise BuildError(f"what jobs import cannot be imported: {why[-1]}")


def digest_of(name: str) -> str:
    """Return a digest of what one lock installs."""
    parts = [ENVS / f"{name}.lock.txt", ENVS / "shim/pyproject.toml"]
    return hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()


def build(folder: Path, names: list[str]) -> None:
    """Bring an environment up to date with its locks."""
    started = time.monotonic()
    stamps = {name: folder / f".{name}.digest" for name in names}
    fresh = {n: stamp.exists() and stamp.read_text() == digest_of(n) for n, stamp in stamps.items()}
    if not fresh[names[0]]:
        check_machine()
        create(folder)
        fresh = dict.fromkeys(names, False)
    for name in (name for name in names if not fresh[name]):
        install_lock(folder, name)
        warm(folder, name)
        stamps[name].write_text(digest_of(name))
    if not all(fresh.values()):
        print(f"{folder}: ready after {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        build(Path(sys.argv[1]), sys.argv[2:])
    except BuildError as error:
        sys.exit(f"ERROR environment: {error}")
