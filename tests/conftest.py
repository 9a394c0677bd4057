"""Fixtures that several test modules share."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.tiny_llama import write_tiny_llama

# A busy machine is no failure: no test is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("tiny-llama"))


@pytest.fixture(scope="session")
def vllm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vllm-cache")  # the second engine starts in a third of the time


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a module in one process, and all that uses the demo's run in another; the longest come first."""
    groups = {}
    for item in items:
        uses_demo = "demo" in getattr(item, "fixturenames", ())
        groups[item] = "demo" if uses_demo else "/".join(item.path.parts[-2:])
        item.add_marker(pytest.mark.xdist_group(groups[item]))
    items.sort(key=lambda item: (groups[item] != "demo", item.get_closest_marker("demo") is None))
