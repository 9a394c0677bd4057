"""TRL's trainers under our rules: steps, arguments, and a watch that stops what is not finite."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.training import SFT, job
from workflow.lib import trainers
from workflow.lib.checkpoints import StopSignal, newest
from workflow.lib.errors import NumericalError
from workflow.lib.trainers import Schedule, Watch, arguments, check_gradients, steps_of
from workflow.lib.training import begin


@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs", "steps"), [(32, 16, 2, 4), (33, 16, 2, 6), (5, 16, 3, 3), (1, 1, 1, 1)]
)
def test_steps(rows: int, batch_size: int, epochs: int, steps: int):
    assert steps_of(rows, batch_size, epochs) == steps


def test_arguments_come_from_settings_and_hardware(tmp_path: Path, tiny_llama: Path):
    settings = {**SFT, "batch_size": 12, "epochs": 3, "warmup_fraction": 0.1}
    given, schedule = begin(
        Schedule, job(tmp_path / "a", tiny_llama, "sft", settings, "rows.parquet", seed=7)
    )
    given.__dict__["inputs"] = {}  # what the folder of checkpoints is named after
    found = arguments(given, schedule, rows=100)
    # 100 rows in batches of 12: 9 steps per epoch, 27 in all; a tenth of them, rounded up, to warm up
    expected = {"max_steps": 27, "warmup_steps": 3, "seed": 7, "data_seed": 7, "use_cpu": True, "bf16": False}
    assert found.items() >= expected.items()
    assert found["per_device_train_batch_size"] * found["gradient_accumulation_steps"] == 12
    assert found["per_device_train_batch_size"] == 4
    assert found["logging_nan_inf_filter"] is False  # transformers would hide a NaN behind a mean


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_named_by_its_step(bad: float):
    good, other = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    good.grad = torch.ones(2)
    check_gradients([good, other], step=4)  # ``other`` has no gradient: nothing to check
    other.grad = torch.tensor([1.0, bad])
    with pytest.raises(NumericalError, match="gradient at step 4"):
        check_gradients([good, other], step=4)


def test_a_loss_that_is_not_finite_is_named_by_its_step():
    state = SimpleNamespace(global_step=6, max_steps=9)
    watch = Watch(StopSignal(), None)
    watch.on_log(None, state, None, logs={"loss": 1.0})
    with pytest.raises(NumericalError, match="loss at step 6 is inf"):
        watch.on_log(None, state, None, logs={"loss": float("inf")})


def test_a_checkpoint_is_due_by_the_clock_and_sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    watch = Watch(StopSignal(), None)
    state = SimpleNamespace(global_step=3, max_steps=9)
    control = SimpleNamespace(should_training_stop=False, should_save=False)
    watch.on_step_end(None, state, control)
    assert not control.should_save
    monkeypatch.setattr(trainers, "CHECKPOINT_EVERY", -1.0)
    watch.on_step_end(None, state, control)
    assert control.should_save and not control.should_training_stop
    (tmp_path / "checkpoint-3").mkdir()
    (tmp_path / "checkpoint-3" / "state").write_text("whole")
    watch.on_save(SimpleNamespace(output_dir=str(tmp_path)), state, control)
    assert newest(tmp_path) == tmp_path / "checkpoint-3"
    watch.on_step_end(None, SimpleNamespace(global_step=9, max_steps=9), control)
    assert not control.should_save  # the last step needs none: the adapter is about to be kept
