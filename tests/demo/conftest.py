"""Real runs of Snakemake, each made once per session in a clone of its own."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.slurm.cluster import missing
from tests.slurm.drivers import run_whole
from tests.studies import Study, clone


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Return the demo study after it ran from raw data to report."""
    study = clone(tmp_path_factory.mktemp("demo") / "clone", "config/demo.yaml")
    study.run()
    return study


@pytest.fixture
def study(demo: Study) -> Iterator[Study]:
    """Yield the demo's clone; whatever a test changes in its sources is put back."""
    yield demo
    again = clone(demo.root.with_name("sources"), *demo.configfiles)
    for name in ("rules", "workflow", "config", "envs", "slurm"):
        shutil.rmtree(demo.root / name)
        shutil.move(again.root / name, demo.root / name)
    shutil.rmtree(again.root)


@pytest.fixture(scope="session")
def snapshot(demo: Study) -> Path:
    """Return the folder of the demo's base model."""
    return demo.root / "results/models/tiny/snapshot"


@dataclass(frozen=True)
class Twin:
    """The demo study after it ran again, in another clone."""

    study: Study
    jobs: list[dict[str, str]]  # SLURM's records; none where the machine has no SLURM


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Twin:
    """Return the demo's twin: by the profile that ships on a real SLURM, or as the first where none is."""
    study = clone(tmp_path_factory.mktemp("twin") / "clone", "config/demo.yaml")
    if missing():
        study.run()
        return Twin(study, [])
    return Twin(study, run_whole(study))
