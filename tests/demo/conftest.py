"""Real runs of Snakemake, each made once per session in a clone of its own."""

from pathlib import Path

import pytest

from tests.studies import Study, clone, clone_with, demo_config, smaller


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Return the demo study after it ran from raw data to report."""
    study = clone(tmp_path_factory.mktemp("demo") / "clone", "config/demo.yaml")
    study.run()
    return study


@pytest.fixture(scope="session")
def snapshot(demo: Study) -> Path:
    """Return the folder of the demo's base model."""
    return demo.root / "results/models/tiny/snapshot"


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory, snapshot: Path) -> tuple[Study, Study]:
    """Return a small study after it ran twice, each time from raw data in a clone of its own."""
    folder = tmp_path_factory.mktemp("twins")
    studies = [clone_with(folder / name, smaller(demo_config(), snapshot)) for name in ("one", "two")]
    for study in studies:
        study.run()
    return studies[0], studies[1]
