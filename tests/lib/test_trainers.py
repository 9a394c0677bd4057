"""TRL's trainers under our rules: steps, arguments, and a watch that stops what is not finite."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import Trainer

from tests.training import DPO, HARDWARE, ORPO, REWARD, SCHEDULE, SFT, SIMPO, job, series, write_rows
from workflow.lib import trainers
from workflow.lib.budgets import MOST_STEPS
from workflow.lib.checkpoints import StopSignal, newest
from workflow.lib.errors import DataError, NumericalError
from workflow.lib.files import read_json
from workflow.lib.parquet import rows_of, write_parquet
from workflow.lib.records import Pair, SftRow, load, table
from workflow.lib.trainers import LengthGrouped, Schedule, Watch, arguments, check_first, check_gradients
from workflow.lib.training import Encoded, begin


@pytest.fixture
def plan(tmp_path: Path, tiny_llama: Path) -> Callable[..., dict[str, Any]]:
    """Return what gives the arguments for a number of rows, under a budget, with changed settings."""

    def found(rows: int, budget: Mapping[str, Any] | None = None, **change: Any) -> dict[str, Any]:
        settings, shared = {**SCHEDULE, "learns_from": "sft", **change}, {"budget": budget}
        given, schedule = begin(
            Schedule, job(tmp_path / "a", tiny_llama, "sft", settings, "x.parquet", seed=7, shared=shared)
        )
        given.__dict__["inputs"] = {}  # what the folder of checkpoints is named after
        return arguments(given, schedule, rows, Encoded([{}] * rows, 0, 50 * rows))

    return found


@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs", "steps"), [(32, 16, 2, 4), (33, 16, 2, 6), (5, 16, 3, 3), (1, 1, 1, 1)]
)
def test_steps(plan: Callable[..., dict[str, Any]], rows: int, batch_size: int, epochs: int, steps: int):
    assert plan(rows, batch_size=batch_size, epochs=epochs)["max_steps"] == steps


@pytest.mark.parametrize(
    ("unit", "amount", "steps", "warmup"),
    [("steps", 25, 25, 3), ("pairs", 200, 18, 2), ("tokens", 9000, 15, 2)],
)
def test_a_budget_replaces_the_epochs_and_the_schedule_follows(
    plan: Callable[..., dict[str, Any]], unit: str, amount: int, steps: int, warmup: int
):
    """100 rows of 50 tokens in batches of 12: 9 steps per epoch; 180 rows are 9 steps and 6 of 12 rows."""
    found = plan(100, {"unit": unit, "amount": amount}, batch_size=12, epochs=3)
    assert (found["max_steps"], found["warmup_steps"]) == (steps, warmup)  # a tenth, rounded up


def test_arguments_come_from_settings_and_hardware(plan: Callable[..., dict[str, Any]]):
    found = plan(100, batch_size=12, epochs=3, warmup_fraction=0.1)
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


BUDGETED = [
    ("sft", "steps", 7, 7),
    ("dpo", "pairs", 22, 5),
    ("orpo", "steps", 2, 2),
    ("reward", "pairs", 24, 6),
]


@pytest.mark.parametrize(("method", "unit", "amount", "steps"), BUDGETED)
def test_a_method_ends_with_its_budget(
    tmp_path: Path,
    tiny_llama: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    unit: str,
    amount: int,
    steps: int,
):
    """12 rows in batches of 4, one epoch in the settings: 3 steps without a budget."""
    monkeypatch.chdir(tmp_path)
    rows = write_rows(tmp_path, SftRow if method == "sft" else Pair)
    settings = {"sft": SFT, "dpo": DPO, "orpo": ORPO, "reward": REWARD}[method]
    shared = {"budget": {"unit": unit, "amount": amount}}
    given = job(tmp_path / "a", tiny_llama, method, settings, rows, shared=shared)
    import_module(f"workflow.scripts.train_{method}").main(**given)
    run = read_json(given["outputs"]["run"])
    assert run["steps"] == steps and run["rows"] == 12
    used = {"steps": steps, "pairs": 4 * steps}[unit]
    assert run["budget"] == {"unit": unit, "amount": amount, "used": used, "reproducible": True}
    curves = rows_of(given["outputs"]["curves"])
    rates = [row["value"] for row in curves if row["quantity"] == "learning_rate"]
    assert len(rates) == steps and rates[-1] == pytest.approx(1.0e-2 / (steps - 1))  # one step to warm up


def test_the_same_tokens_for_every_method(tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    budget = {"budget": {"unit": "tokens", "amount": 2500}}
    used = {}
    for method, settings, kind in (("sft", SFT, SftRow), ("dpo", DPO, Pair)):
        given = job(
            tmp_path / method, tiny_llama, method, settings, write_rows(tmp_path, kind), shared=budget
        )
        import_module(f"workflow.scripts.train_{method}").main(**given)
        run = read_json(given["outputs"]["run"])
        used[method] = run["budget"]["used"]
        assert run["tokens"] == used[method] <= 2500 < used[method] * (1 + 1 / run["steps"])
    assert len(used) == 2


def test_seconds_end_a_training_whose_rate_has_come_down(
    tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    shared = {"budget": {"unit": "seconds", "amount": 3}}
    given = job(tmp_path / "a", tiny_llama, "sft", SFT, write_rows(tmp_path, SftRow), shared=shared)
    import_module("workflow.scripts.train_sft").main(**given)
    run = read_json(given["outputs"]["run"])
    assert 3 <= run["budget"]["used"] < 30 and run["budget"]["reproducible"] is False
    assert 3 <= run["steps"] < MOST_STEPS
    curves = rows_of(given["outputs"]["curves"])
    rates = [row["value"] for row in curves if row["quantity"] == "learning_rate"]
    assert max(rates) > 2 * rates[-1] >= 0.0 and max(rates) <= 1.0e-2
    assert sorted(rates[rates.index(max(rates)) :], reverse=True) == rates[rates.index(max(rates)) :]


@pytest.mark.parametrize(
    "batch",
    [
        {"labels": torch.tensor([[-100, 5, 0], [-100, 5, 6]])},
        {"chosen_labels": torch.tensor([[5, 0]]), "rejected_labels": torch.tensor([[5, 6]])},
        {
            "input_ids": torch.tensor([[4, 5, 0], [4, 5, 0]]),
            "completion_mask": torch.tensor([[0, 1, 1], [0, 1, 0]]),
        },
    ],
    ids=["SFT", "ORPO", "DPO"],
)
def test_one_completion_without_a_trained_end_is_found(batch: dict[str, torch.Tensor]):
    with pytest.raises(DataError, match="EOS is not trained"):
        check_first(batch, eos=0)
    check_first({name: values[:1] for name, values in batch.items() if name != "rejected_labels"}, eos=0)


def write_uneven_rows(folder: Path, kind: type) -> str:
    """Write rows whose completions are one to four times as long; return the path."""
    path = write_rows(folder, kind)
    texts = ("completion",) if kind is SftRow else ("chosen", "rejected")
    changed = [
        replace(row, **{text: getattr(row, text) * (1 + (i + k) % 4) for k, text in enumerate(texts)})
        for i, row in enumerate(load(path, kind))
    ]
    write_parquet(path, table(changed, kind))
    return path


@pytest.mark.parametrize(
    ("method", "settings"),
    [("sft", SFT), ("reward", REWARD), ("dpo", DPO), ("orpo", ORPO), ("simpo", SIMPO)],
)
def test_rows_of_one_length_share_a_pass_and_no_loss_changes(
    method: str, settings: dict[str, Any], tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
):
    """Six rows at once, two at a time by length, and two at a time as they are drawn: the same losses.

    DPO has its term over tokens here, ORPO always has one.
    """
    monkeypatch.chdir(tmp_path)
    rows = write_uneven_rows(tmp_path, Pair if settings["learns_from"] == "pairs" else SftRow)
    script = import_module(f"workflow.scripts.train_{method}")
    widths: dict[str, list[int]] = {"whole": [], "by length": [], "drawn": []}
    passed = Trainer.training_step
    losses = {}
    for name, seen in widths.items():

        def step(self: Trainer, model: object, inputs: dict[str, Any], *rest: object, seen=seen) -> object:
            seen.append(max(ids.shape[1] for key, ids in inputs.items() if key.endswith("input_ids")))
            return passed(self, model, inputs, *rest)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "training_step", step)
            if name == "drawn":
                patch.delattr(LengthGrouped, "_get_train_sampler")
            hardware = {**HARDWARE, "micro_batch": 6 if name == "whole" else 2}
            changed = {**settings, "max_length": 128, "batch_size": 6, "epochs": 2}
            given = job(tmp_path / name, tiny_llama, method, changed, rows, hardware=hardware)
            script.main(**given)
        losses[name] = series(given, "loss")
    assert len(set(losses["whole"])) == 4
    assert losses["by length"] == pytest.approx(losses["whole"], rel=1e-5)
    assert losses["drawn"] == pytest.approx(losses["whole"], rel=1e-5)
    steps = [widths["by length"][i : i + 3] for i in range(0, 12, 3)]
    assert all(step == sorted(step, reverse=True) for step in steps)
    assert sum(widths["by length"]) < sum(widths["drawn"])
