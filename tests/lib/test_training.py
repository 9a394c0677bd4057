"""What all methods share: settings, steps, micro-batches, and the contract that each row must keep."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training import ROWS, SFT, job, write_rows
from workflow.lib import training
from workflow.lib.errors import DataError, DependencyError, DeviceMemoryError
from workflow.lib.models import load_tokenizer
from workflow.lib.parquet import rows_of, write_parquet
from workflow.lib.records import Pair, Prompt, SftRow, load, table
from workflow.lib.trainers import Schedule
from workflow.lib.training import begin, encode, micro_batch_of, read_settings


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


def test_a_missing_gpu_is_named_at_once(tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    given = job(tmp_path / "a", tiny_llama, "sft", SFT, "none.parquet")
    with pytest.raises(DependencyError, match=r"hardware\.device is cuda"):
        begin(Schedule, {**given, "hardware": {**given["hardware"], "device": "cuda"}})


def test_running_out_of_gpu_memory_says_what_to_change(tmp_path: Path, tiny_llama: Path):
    given = training.Job(**job(tmp_path / "a", tiny_llama, "sft", SFT, "none.parquet"))
    with pytest.raises(DeviceMemoryError, match="micro_batch 4"), training.memory_named(given):
        raise torch.OutOfMemoryError("CUDA out of memory")


def changed(path: str, kind: type, **fields: str) -> str:
    """Change fields of the first row of the file at ``path``; return the path."""
    first, *rest = load(path, kind)
    write_parquet(path, table([replace(first, **fields), *rest], kind))
    return path


def test_rows_become_the_tokens_that_are_sampled_and_scored(tmp_path: Path, tiny_llama: Path):
    tokenizer = load_tokenizer(tiny_llama)
    rows = write_rows(tmp_path, Pair)
    given, _ = begin(Schedule, job(tmp_path / "a", tiny_llama, "sft", SFT, [rows, rows]))
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


def test_the_margin_of_a_pair_changes_no_token(tmp_path: Path, tiny_llama: Path):
    rows, tokenizer = write_rows(tmp_path, Pair), load_tokenizer(tiny_llama)
    given, _ = begin(Schedule, job(tmp_path / "a", tiny_llama, "sft", SFT, rows))
    plain = encode(given, Pair, ["chosen", "rejected"], tokenizer, longest=64)
    write_parquet(rows, table([replace(row, margin=0.5) for row in load(rows, Pair)], Pair))
    assert {row.margin for row in load(rows, Pair)} == {0.5}
    assert encode(given, Pair, ["chosen", "rejected"], tokenizer, longest=64) == plain


def test_prompts_alone_are_rendered_up_to_the_answer(tmp_path: Path, tiny_llama: Path):
    given, _ = begin(Schedule, job(tmp_path / "a", tiny_llama, "sft", SFT, write_rows(tmp_path, Prompt)))
    encoded = encode(given, Prompt, [], load_tokenizer(tiny_llama), longest=64)
    assert [set(row) for row in encoded.rows] == [{"prompt_ids"}] * ROWS
    assert encoded.tokens == sum(len(row["prompt_ids"]) for row in encoded.rows)


def test_a_turn_that_ends_early_is_refused(tmp_path: Path, tiny_llama: Path):
    rows = changed(write_rows(tmp_path, SftRow), SftRow, completion="yes<|end|>no")
    given, _ = begin(Schedule, job(tmp_path / "a", tiny_llama, "sft", SFT, rows))
    with pytest.raises(DataError, match="row train-0 field 'completion': expected exactly one EOS"):
        encode(given, SftRow, ["completion"], load_tokenizer(tiny_llama), longest=64)


def test_a_second_bos_is_refused(tmp_path: Path, tiny_llama: Path):
    tokenizer = load_tokenizer(tiny_llama)
    tokenizer.bos_token = "<|user|>"  # this template opens every conversation with it
    rows = write_rows(tmp_path, SftRow)
    given, _ = begin(Schedule, job(tmp_path / "a", tiny_llama, "sft", SFT, rows))
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
    before = work()
    changed(rows, SftRow, completion="No.")
    assert len({before, faster, work(), work(seed=2), work(lora={**given["lora"], "r": 2})}) == 5


def test_curves_have_one_row_per_step_and_quantity(tmp_path: Path, tiny_llama: Path):
    given = training.Job(**job(tmp_path / "a", tiny_llama, "sft", SFT, "none.parquet"))
    history = [{"step": 1, "loss": 2.0, "epoch": 0.5}, {"step": 2, "loss": 1.0, "grad_norm": 3.0}]
    write_parquet(tmp_path / "curves.parquet", training.curves_table(given, history))
    found = [(row["step"], row["quantity"], row["value"]) for row in rows_of(tmp_path / "curves.parquet")]
    assert found == [(1, "loss", 2.0), (2, "grad_norm", 3.0), (2, "loss", 1.0)]
