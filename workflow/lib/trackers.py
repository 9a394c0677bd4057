"""Copies of the curves for TensorBoard, Weights & Biases and trackio: on this disk, sent nowhere.

The curves themselves are ``curves.parquet``; a tracker only shows them while they grow. None of the three
packages is part of the environments.
"""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from workflow.lib.errors import DependencyError

PROJECT = "plumbline"


def check_installed(trackers: Sequence[str]) -> None:
    """Fail unless the package of every tracker is there; it has the tracker's name."""
    missing = [name for name in trackers if find_spec(name) is None]
    if missing:
        raise DependencyError(
            f"train.trackers: {missing[0]} is not installed. Fix: pip install {missing[0]} in the "
            "environment of the training, or take it out of train.trackers."
        )


def tracker_arguments(trackers: Sequence[str], folder: Path, run: str) -> dict[str, Any]:
    """Return the arguments that hand the curves of a training to ``trackers``, and say where these write.

    Args:
        trackers: Names, as transformers has them.
        folder: Gets a folder for each of them.
        run: Name of the run.
    """
    check_installed(trackers)
    places = {
        "TENSORBOARD_LOGGING_DIR": str(folder / "tensorboard" / run),
        "WANDB_DIR": str(folder / "wandb"),
        "WANDB_MODE": "offline",  # whoever exports WANDB_MODE=online wants it sent
        "WANDB_PROJECT": PROJECT,
        "TRACKIO_DIR": str(folder / "trackio"),
    }
    if trackers:
        (folder / "wandb").mkdir(parents=True, exist_ok=True)  # it would write to a temporary folder instead
        for variable, value in places.items():
            os.environ.setdefault(variable, value)
    return {
        "report_to": list(trackers) or "none",
        "run_name": run,
        "project": PROJECT,
        "trackio_static_space_id": False,
    }
