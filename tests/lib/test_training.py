"""What all methods share: settings, steps, micro-batches, and the contract that each row must keep."""

import importlib
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from tests.training import HARDWARE, PAIRED, ROWS, SFT, job, write_rows
from workflow.lib import training
from workflow.lib.config import load_schema
from workflow.lib.errors import DataError, DependencyError, DeviceMemoryError
from workflow.lib.files import write_json
from workflow.lib.models import load_tokenizer
from workflow.lib.parquet import rows_of, write_parquet
from workflow.lib.records import Pair, Prompt, SftRow, load, table
from workflow.lib.trainers import Schedule
from workflow.lib.training import begin, encode, in_share, micro_batch_of, read_settings


@pytest.mark.parametrize(
    ("batch_size", "most", "micro"), [(16, 4, 4), (16, 16, 16), (16, 64, 16), (12, 5, 4), (7, 4, 1)]
)
def test_the_global_batch_never_depends_on_the_micro_batch(batch_size: int, most: int, micro: int):
    assert micro_batch_of(batch_size, most) == micro
    assert batch_size % micro == 0


def test_settings_with_a_python_keyword(tmp_path: Path):
    from tests.training import ORPO
    from workflow.scripts.train_orpo import Settings

    assert read_settings(Settings, ORPO, "methods.orpo").lambda_ == ORPO["lambda"]


@pytest.mark.parametrize("name", ["sft", "reward", "dpo", "orpo", "kto", "simpo", "ppo", "grpo", "rloo"])
def test_the_schema_has_the_settings_of_each_script(name: str):
    schema = load_schema(Path(__file__).parents[2] / "config/schemas/config.schema.yaml")["$defs"][name]
    settings = fields(importlib.import_module(f"workflow.scripts.train_{name}").Settings)
    assert {field.name.rstrip("_") for field in settings} == set(schema["required"])
    assert set(schema["required"]) == set(schema["properties"])


def test_running_out_of_gpu_memory_halves_the_next_attempt(
    tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
):
    """A batch of 12 in passes of 4: then of 2 (half), then of 1, and then there is nothing left to halve."""
    monkeypatch.chdir(tmp_path)
    given = job(tmp_path / "a", tiny_llama, "sft", {**SFT, "batch_size": 12}, write_rows(tmp_path, SftRow))
    for rows, more in (
        (4, "takes 2 rows per pass and 12 per step"),
        (2, "takes 1 rows"),
        (1, "quantisation"),
    ):
        attempt = training.Job(**given)
        assert attempt.micro_batch == rows
        with pytest.raises(DeviceMemoryError, match=more) as caught, training.memory_named(attempt):
            raise torch.OutOfMemoryError("CUDA out of memory")
        assert f"{rows} rows per pass and 12 per step" in str(caught.value)
        assert caught.value.exit_code == 6
    other = training.Job(**{**given, "seed": 2})
    assert other.micro_batch == 4  # each training finds out for itself


def test_processes_share_the_global_batch(tmp_path: Path, tiny_llama: Path):
    rows = write_rows(tmp_path, SftRow)
    found = {}
    for processes, most in ((1, 8), (2, 8), (2, 2), (4, 8), (8, 4)):
        hardware = {**HARDWARE, "processes": processes, "micro_batch": most}
        settings = {**SFT, "batch_size": 24}
        given = training.Job(**job(tmp_path / "a", tiny_llama, "sft", settings, rows, hardware=hardware))
        found[processes, most] = given.micro_batch
    # the largest divisor of 24, 12, 12, 6 and 3 that is no larger than asked for
    assert found == {(1, 8): 8, (2, 8): 6, (2, 2): 2, (4, 8): 6, (8, 4): 3}


@pytest.mark.parametrize(
    ("seen", "processes", "told"),
    [(0, 1, "hardware.device is cuda, but no GPU"), (1, 2, "hardware.processes is 2 per node, but 1 GPUs")],
)
def test_a_gpu_for_every_process(seen: int, processes: int, told: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: seen > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: seen)
    if seen:
        training._check_devices("cuda", seen)
    training._check_devices("cpu", processes)
    with pytest.raises(DependencyError, match=told):
        training._check_devices("cuda", processes)


def test_a_trainer_that_runs_alone_refuses_company(tmp_path: Path, tiny_llama: Path):
    for change in ({"processes": 2}, {"deepspeed": "zero2"}):
        given = job(
            tmp_path / "a", tiny_llama, "ppo", PAIRED, "none.parquet", hardware={**HARDWARE, **change}
        )
        with pytest.raises(DataError, match="'ppo' runs in one process"):
            begin(Schedule, given)


def changed(path: str, kind: type, **fields: str) -> str:
    """Change fields of the first row of the file at ``path``; return the path."""
    first, *rest = load(path, kind)
    write_parquet(path, table([replace(first, **fields), *rest], kind))
    return path


def test_rows_become_the_tokens_that_are_sampled_and_scored(tmp_path: Path, tiny_llama: Path):
    tokenizer = load_tokenizer(tiny_llama)
    rows = write_rows(tmp_path, Pair)
    given, _ = begin(Schedule, job(tmp_path / "a", tiny_llama, "sft", PAIRED, [rows, rows]))
    encoded = encode(given, Pair, ["chosen", "rejected"], tokenizer, longest=64)
    assert len(encoded.rows) == 2 * ROWS and encoded.dropped == 0
    first = encoded.rows[0]
    assert tokenizer.decode(first["prompt_ids"]) == "<|user|>Is 0 odd?<|end|><|assistant|>"
    assert tokenizer.decode(first["chosen_ids"]) == "It is no.<|end|>"
    assert tokenizer.decode(first["rejected_ids"]) == "Maybe yes, so yes.<|end|>"
    # two sequences per row, each with its prompt
    assert encoded.tokens == sum(
        2 * len(row["prompt_ids"]) + len(row["chosen_ids"]) + len(row["rejected_ids"]) for row in encoded.rows
    )


def test_a_share_of_the_groups_is_in_every_larger_one():
    names = [f"g{i}" for i in range(2000)]
    parts = {share: {name for name in names if in_share(name, share)} for share in (0.1, 0.25, 0.5, 1.0)}
    assert parts[0.1] < parts[0.25] < parts[0.5] < parts[1.0] == set(names)
    for share, part in parts.items():  # four standard deviations of a binomial count
        assert abs(len(part) - 2000 * share) <= 4 * (2000 * share * (1 - share)) ** 0.5


def test_a_method_learns_from_its_share_alone(tmp_path: Path, tiny_llama: Path):
    tokenizer, rows = load_tokenizer(tiny_llama), write_rows(tmp_path, SftRow)
    found = {}
    for share in (0.5, 1.0):
        given = training.Job(**job(tmp_path / "a", tiny_llama, "sft", SFT, rows, shared={"share": share}))
        found[share] = [r.group_id for r in encode(given, SftRow, ["completion"], tokenizer, 64).records]
        assert given.work.name not in found  # each share has checkpoints of its own
        found[given.work.name] = []
    assert found[0.5] == [name for name in found[1.0] if in_share(name, 0.5)]
    assert 0 < len(found[0.5]) < len(found[1.0]) == ROWS


def test_the_margin_of_a_pair_changes_no_token(tmp_path: Path, tiny_llama: Path):
    rows, tokenizer = write_rows(tmp_path, Pair), load_tokenizer(tiny_llama)
    given, _ = begin(Schedule, job(tmp_path / "a", tiny_llama, "sft", PAIRED, rows))
    plain = encode(given, Pair, ["chosen", "rejected"], tokenizer, longest=64)
    write_parquet(rows, table([replace(row, margin=0.5) for row in load(rows, Pair)], Pair))
    assert {row.margin for row in load(rows, Pair)} == {0.5}
    assert encode(given, Pair, ["chosen", "rejected"], tokenizer, longest=64) == plain


def test_prompts_alone_are_rendered_up_to_the_answer(tmp_path: Path, tiny_llama: Path):
    given, _ = begin(Schedule, job(tmp_path / "a", tiny_llama, "sft", PAIRED, write_rows(tmp_path, Prompt)))
    encoded = encode(given, Prompt, [], load_tokenizer(tiny_llama), longest=64)
    assert [set(row) for row in encoded.rows] == [{"prompt_ids"}] * ROWS
    assert encoded.tokens == sum(len(row["prompt_ids"]) for row in encoded.rows)


def test_a_turn_that_ends_early_is_refused(tmp_path: Path, tiny_llama: Path):
    rows = changed(write_rows(tmp_path, SftRow), SftRow, completion="yes<|end|>no")
    given, _ = begin(Schedule, job(tmp_path / "a", tiny_llama, "sft", PAIRED, rows))
    with pytest.raises(DataError, match="row train-0 field 'completion': expected exactly one EOS"):
        encode(given, SftRow, ["completion"], load_tokenizer(tiny_llama), longest=64)


def test_a_second_bos_is_refused(tmp_path: Path, tiny_llama: Path):
    tokenizer = load_tokenizer(tiny_llama)
    tokenizer.bos_token = "<|user|>"  # this template opens every conversation with it
    rows = write_rows(tmp_path, SftRow)
    given, _ = begin(Schedule, job(tmp_path / "a", tiny_llama, "sft", PAIRED, rows))
    assert len(encode(given, SftRow, ["completion"], tokenizer, longest=64).rows) == ROWS
    changed(rows, SftRow, prompt="Is <|user|> odd?")
    with pytest.raises(DataError, match="row train-0: expected one BOS, found 2"):
        encode(given, SftRow, ["completion"], tokenizer, longest=64)


def test_work_moves_with_what_changes_the_result(tmp_path: Path, tiny_llama: Path):
    rows = write_rows(tmp_path, SftRow)
    given = job(tmp_path / "a", tiny_llama, "sft", SFT, rows)

    def work(**change: object) -> Path:
        return training.Job(**{**given, **change}).work

    faster = work(settings={**SFT, "learning_rate": 1.0})
    smaller = work(hardware={**given["hardware"], "micro_batch": 1})
    assert work() == smaller  # how it runs, not what is computed
    layouts = [{"processes": 2}, {"deepspeed": "zero2"}, {"precision": "bfloat16"}, {"quantisation": "nf4"}]
    moved = {work(hardware={**given["hardware"], **change}) for change in layouts}
    assert len({work(), *moved}) == 5  # checkpoints of one do not fit the other
    before = work()
    changed(rows, SftRow, completion="No.")
    assert len({before, faster, work(), work(seed=2), work(lora={**given["lora"], "r": 2})}) == 5


def test_settings_that_a_sweep_chose_replace_the_method_s_own(tmp_path: Path, tiny_llama: Path):
    rows = write_rows(tmp_path, SftRow)
    choice = {"task": "quiz", "trial": 3, "trials": 6, "settings": {"learning_rate": 0.5}, "table": []}
    write_json(tmp_path / "choice.json", choice)
    given = job(tmp_path / "a", tiny_llama, "sft", PAIRED, rows, choice=[str(tmp_path / "choice.json")])
    found, settings = begin(Schedule, given)
    assert settings.learning_rate == 0.5 and settings.epochs == PAIRED["epochs"]
    assert found.settings == {**PAIRED, "learning_rate": 0.5}
    assert found.sweep == {key: choice[key] for key in ("task", "trial", "trials", "settings")}
    plain, _ = begin(Schedule, {**given, "choice": []})
    assert plain.sweep is None and plain.settings == PAIRED
    assert found.inputs.keys() - plain.inputs.keys() == {"choice"}
    write_json(tmp_path / "choice.json", {**choice, "settings": {"learning_speed": 0.5}})
    with pytest.raises(DataError, match=r"unknown keys \['learning_speed'\]"):
        begin(Schedule, given)


def test_curves_have_one_row_per_step_and_quantity(tmp_path: Path, tiny_llama: Path):
    given = training.Job(**job(tmp_path / "a", tiny_llama, "sft", SFT, "none.parquet"))
    history = [{"step": 1, "loss": 2.0, "epoch": 0.5}, {"step": 2, "loss": 1.0, "grad_norm": 3.0}]
    write_parquet(tmp_path / "curves.parquet", training.curves_table(given, history))
    found = [(row["step"], row["quantity"], row["value"]) for row in rows_of(tmp_path / "curves.parquet")]
    assert found == [(1, "loss", 2.0), (2, "grad_norm", 3.0), (2, "loss", 1.0)]
