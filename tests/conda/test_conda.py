"""Rules in their conda environments: each is created from its file, and holds what its rules import.

The channel is a folder, and ``conda`` a command of ours on a real solver (``front_end.py``). Nothing is
downloaded: packages that are installed here in the pinned version are linked, those that only CUDA needs
are empty wheels, and the environment's own pip resolves the whole section against the two. So this shows
that a file is complete and free of conflicts, that an environment has its packages and no other, and that
rules run in it. It does not show that an index has the wheels (the locks were resolved against one), nor
training on a GPU.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from envs.lock import canonical
from envs.render import read_table
from tests import report_inputs
from tests.source import ROOT, SCRIPTS, imports, rules, with_imports
from tests.studies import Study, clone_with, demo_config, smaller
from tests.training import write_rows
from workflow.lib.files import read_json, write_json, write_text
from workflow.lib.records import Pair

TABLE = read_table()
CONDA = ("--sdm", "conda")
ADAPTER = "results/adapters/logic/tiny/orpo/seed-1/run.json"
TARGETS = ("results/data/logic/contamination.parquet", "results/report.html", ADAPTER)
RULES = {  # that make the targets, one job each
    "data": ["generate_dataset", "normalise_dataset", "find_contamination"],
    "report": ["plot", "render_report"],
    "train": ["train"],
}
NAMES = [name for names in RULES.values() for name in names]
# vLLM takes half a minute to start: its environment is created, and nothing sampled in it.
SAMPLED = ("sample_rationales", "--", *TARGETS, "results/rationales/logic/tiny/shard-0.jsonl")
CREATION = (*CONDA, "--conda-create-envs-only", "--allowed-rules", *NAMES, *SAMPLED)
ENVIRONMENTS = ["data", "report", "train", "vllm-cpu"]
DRAWN = "accuracy"  # the figure that is drawn; the others are there
NEEDS_A_GPU = {"import pynvml"}  # an empty wheel here
IS_CPU = "__import__('vllm.platforms').platforms.current_platform.is_cpu()"
WORKS = {"vllm-cpu": IS_CPU}  # what must be true once all is imported

pytestmark = [
    pytest.mark.conda,
    pytest.mark.skipif(
        "{}.{}".format(*sys.version_info) != TABLE["python"],
        reason=f"this Python is made into a package, and the environments want {TABLE['python']}",
    ),
]
pytest.importorskip("rattler", reason="py-rattler is not installed: make environment")


def write_inputs(results: Path, snapshot: Path) -> None:
    """Write by hand what stands upstream of the targets, so that no teacher is asked."""
    shutil.copytree(snapshot, results / "models/tiny/snapshot")
    about = {"kind": "local", "repo": None, "path": "tiny", "revision": None, "digest": "d" * 64}
    write_json(results / "models/tiny/manifest.json", about)
    (results / "preferences/logic").mkdir(parents=True)
    Path(write_rows(results / "preferences", Pair)).rename(results / "preferences/logic/pairs.parquet")
    report_inputs.write(results / "analysis")
    for name in ("checks.json", "methods.md", "references.bib"):
        (results / "analysis" / name).rename(results / name)
    _, prompts, rationales = report_inputs.CARDS
    write_json(results / "prompts/logic/choice.json", prompts)
    write_json(results / "rationales/logic/card.json", rationales)
    for name in {path.stem.removeprefix("plot_") for path in SCRIPTS.glob("plot_*.py")} - {DRAWN}:
        write_text(results / f"figures/{name}.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
        write_json(results / f"figures/{name}.json", {"title": name, "alt": name, "caption": name})
    write_json(
        results / "preferences/logic/card.json", {"dataset": "logic", "stage": "preferences", "funnel": []}
    )


@dataclass(frozen=True)
class Deployed:
    """A study whose environments are created, and what Snakemake said meanwhile."""

    study: Study
    said: str

    def prefix(self, name: str) -> Path:
        """Return the folder of an environment: Snakemake keeps a copy of its file beside it."""
        wanted = (self.study.root / f"envs/{name}.yaml").read_bytes()
        copies = (self.study.root / ".snakemake/conda").glob("*.yaml")
        (found,) = (copy for copy in copies if copy.read_bytes() == wanted)
        return found.with_suffix("")

    def python(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the Python of an environment, which sees nothing but what the environment has."""
        command = [str(self.prefix(name) / "bin/python"), "-I", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.study.root)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Iterator[Deployed]:
    """Put ``conda`` on the path and create environments as docs/cluster.md says."""
    from tests.conda.stand_ins import write_conda

    settings = smaller(demo_config(), tiny_llama)
    settings["datasets"] = {"logic": settings["datasets"]["logic"]}
    tasks = settings["evaluation"]["tasks"]
    settings["evaluation"]["tasks"] = {k: task for k, task in tasks.items() if task["dataset"] == "logic"}
    folder = tmp_path_factory.mktemp("conda")
    study = clone_with(folder / "clone", settings)
    write_inputs(study.root / "results", tiny_llama)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in write_conda(folder / "conda").items():
            patch.setenv(name, value)
        patch.delenv("PYTHONPATH", raising=False)
        yield Deployed(study, study.run(*CREATION))
    shutil.rmtree(folder)  # a link to every file that is installed


def created(said: str) -> list[str]:
    """Return the environments that Snakemake said it creates."""
    return sorted(re.findall(r"Creating conda environment .*envs/(\S+)\.yaml\.\.\.", said))


def test_each_environment_is_created(deployed: Deployed) -> None:
    assert created(deployed.said) == ENVIRONMENTS


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_holds_what_its_file_pins_and_nothing_else(deployed: Deployed, name: str) -> None:
    *_, section = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]
    pinned = dict(line.split("==") for line in section["pip"]) | {"pip": TABLE["pip"]}
    listed = json.loads(deployed.python(name, "-m", "pip", "list", "--format", "json").stdout)
    installed = {canonical(package["name"]): package["version"] for package in listed}
    assert len(installed) > 25
    # The build for CPUs stands in for that for CUDA.
    assert installed | {"torch": ""} == pinned | {"torch": ""}
    assert installed.get("torch", "").removesuffix("+cpu") == pinned.get("torch", "").removesuffix("+cpu")


def imports_of(environment: str) -> list[str]:
    """Return every import of the scripts that run in an environment, and of our modules behind them."""
    running = [rule for rule in rules() if environment in {path.stem for path in rule.environments()}]
    files = {file for rule in running for script in rule.scripts() for file in with_imports(script)}
    assert files & set(SCRIPTS.iterdir())
    return sorted({ast.unparse(line) for file in files for line in imports(file)} - NEEDS_A_GPU)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_scripts_find_all_they_import_in_their_environment_alone(deployed: Deployed, name: str) -> None:
    """Without Snakemake, which puts its own packages at the end of a script's path."""
    lines = ["import sys", f"sys.path.append({str(deployed.study.root)!r})", *imports_of(name)]
    done = deployed.python(name, "-c", "\n".join([*lines, f"print({WORKS.get(name, True)})"]))
    assert (done.returncode, done.stdout.split()[-1:]) == (0, ["True"]), done.stderr[-3000:]


@pytest.mark.parametrize(("name", "module"), [("data", "torch"), ("report", "sklearn"), ("train", "lm_eval")])
def test_an_environment_does_not_see_the_packages_of_the_host(
    deployed: Deployed, name: str, module: str
) -> None:
    assert f"No module named '{module}'" in deployed.python(name, "-c", f"import {module}").stderr


def test_rules_run_in_their_environments(deployed: Deployed) -> None:
    study, chosen = deployed.study, ("--allowed-rules", *NAMES, "--", *TARGETS)
    said = study.run(*CONDA, *chosen)
    assert created(said) == []  # they are there
    assert Counter(re.findall(r"^(?:local)?rule (\w+):$", said, re.MULTILINE)) == Counter(
        dict.fromkeys(NAMES, 1)
    )
    for name, names in RULES.items():
        activated = f"Activating conda environment: {deployed.prefix(name).relative_to(study.root)}\n"
        assert said.count(activated) >= len(names), name
    assert read_json(study.root / "results/data/logic/card.json")["rows"]["test"] > 0
    assert "Plumbline demo" in (study.root / "results/report.html").read_text()
    assert read_json(study.root / ADAPTER)["method"] == "orpo"
    # As docs/cluster.md says: to Snakemake an environment is another one without conda, or elsewhere.
    kept = ("--rerun-triggers", "mtime", "params", "input")
    assert "Nothing to be done" in study.run("--dry-run", *kept, *chosen)


def test_recipes_of_containers_hold_what_snakemake_would_put_there(deployed: Deployed) -> None:
    """Snakemake finds an environment in a container by a digest of its file and of what runs after."""
    root = deployed.study.root
    for config, kind, recipe in (
        ("config/study.yaml", "dockerfile", "cpu.Dockerfile"),
        ("config/config.yaml", "apptainer", "cuda.def"),
    ):
        theirs, ours = (
            Study(root, (config,)).run("--containerize", kind),
            (ROOT / f"envs/{recipe}").read_text(),
        )
        copies = re.findall(
            r"^(?:COPY|   ) (envs/\S+\.yaml) (/conda-envs/\w{32})/environment.yaml$", theirs, re.M
        )
        assert len(copies) == 6
        assert copies == re.findall(r"^(?:COPY|   ) (envs/\S+\.yaml) (/conda-envs/\w{32})/\S+$", ours, re.M)
        label = r'io\.github\.snakemake\.(\w+)["= ]+(\w+)'
        assert dict(re.findall(label, theirs)) == dict(re.findall(label, ours)) and "conda_env_hash" in theirs
        for _, prefix in copies:
            assert f"conda env create --quiet --prefix {prefix} --file {prefix}/environment.yaml" in ours


def test_an_image_that_is_named_is_used(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planned only: there is no Apptainer here, and a script says its version and runs what it is given."""
    apptainer = tmp_path / "apptainer"
    apptainer.write_text(
        '#!/bin/sh\n[ "$1" != --version ] || exec echo apptainer version 1.4.0\n'
        'for last; do :; done\nexec sh -c "$last"\n'
    )
    apptainer.chmod(0o755)
    (tmp_path / "singularity").symlink_to(apptainer)  # as Apptainer's packages have it
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("PLUMBLINE_IMAGE", "docker://example/plumbline:1")
    options = ("--directory", str(tmp_path / "new"), "--dry-run", "--sdm", "conda", "apptainer")
    said = deployed.study.run(*options, "--", TARGETS[0])
    assert "Singularity image docker://example/plumbline:1 will be pulled" in said
    assert created(said) == [] and "will be created" not in said  # they are in the image


def test_a_package_that_cannot_be_had_is_named(deployed: Deployed) -> None:
    study = deployed.study
    study.change("envs/report.yaml", "markupsafe==3.0.4", "markupsafe==0.0.1")
    said = study.run(*CREATION, expect=1)
    study.change("envs/report.yaml", "markupsafe==0.0.1", "markupsafe==3.0.4")
    assert created(said) == ["report"]
    assert re.search(r"Could not create conda environment from \S+/envs/report\.yaml", said)
    assert "No matching distribution found for markupsafe==0.0.1" in said
