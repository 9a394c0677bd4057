"""SFT on a tiny model: reproducible, seeded, resumable, and nothing dropped or truncated in silence."""

import os
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import Trainer

from tests.families import FAMILIES, tiny
from tests.training import HARDWARE, ROWS, SFT, check_complete, job, parent, reruns, series, write_rows
from workflow.lib import training
from workflow.lib.errors import DataError, IntegrityError, NumericalError, Preempted
from workflow.lib.files import read_json
from workflow.lib.parquet import rows_of
from workflow.lib.records import SftRow
from workflow.scripts import train_sft


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_rows(tmp_path, SftRow)


def encoded(*rows: tuple[list[int], list[int]]) -> training.Encoded:
    return training.Encoded([{"prompt_ids": p, "completion_ids": c} for p, c in rows], 0, 0)


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path, tiny_llama: Path, rows: str):
    jobs = [
        job(tmp_path / name, tiny_llama, "sft", SFT, rows, seed=seed)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    first, again, other = reruns(train_sft.main, jobs)
    assert first == again
    for file in ("adapter_model.safetensors", "curves.parquet", "README.md"):
        assert first[file] != other[file]
    check_complete(jobs[0], steps=3, quantities={"loss", "grad_norm", "learning_rate", "entropy"})
    card = (tmp_path / "a" / "README.md").read_text()
    assert "base_model: tiny" in card and str(tmp_path) not in card


def test_the_loss_falls_on_completions_of_train_rows_only(tmp_path: Path, tiny_llama: Path, rows: str):
    given = job(tmp_path / "a", tiny_llama, "sft", {**SFT, "epochs": 8}, rows)
    train_sft.main(**given)
    losses = [r["value"] for r in rows_of(given["outputs"]["curves"]) if r["quantity"] == "loss"]
    assert len(losses) == 24
    assert losses[-1] < 0.6 * losses[0]
    assert read_json(given["outputs"]["run"])["rows"] == ROWS  # of 2 · ROWS, half of them dev
    data = train_sft.sequences(encoded(([1, 2], [3, 0])), packing=False, longest=64)
    assert data[:] == {"input_ids": [[1, 2, 3, 0]], "labels": [[-100, -100, 3, 0]]}


def test_micro_batches_do_not_change_the_training(tmp_path: Path, tiny_llama: Path, rows: str):
    losses = []
    for micro in (1, 4):
        hardware = {**job(tmp_path / "x", tiny_llama, "sft", SFT, rows)["hardware"], "micro_batch": micro}
        given = job(tmp_path / str(micro), tiny_llama, "sft", SFT, rows, hardware=hardware)
        train_sft.main(**given)
        losses.append([r["value"] for r in rows_of(given["outputs"]["curves"]) if r["quantity"] == "loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_packing_keeps_rows_whole_and_their_prompts_untrained():
    """Lengths 5, 3, 3, 2 into 8: the best fit, decreasing, is 5 + 3 and 3 + 2."""
    rows = [([1, 2], [3, 0]), ([1], [4, 5, 6, 0]), ([1], [7, 0]), ([1], [0])]
    rows[0] = ([1, 2], [0])
    data = train_sft.sequences(encoded(*rows), packing=True, longest=8)
    assert sorted(map(sorted, data["seq_lengths"])) == [[2, 3], [3, 5]]
    found = []
    for ids, labels, lengths in zip(data["input_ids"], data["labels"], data["seq_lengths"], strict=True):
        for n in lengths:
            found.append((ids[:n], labels[:n]))
            ids, labels = ids[n:], labels[n:]
        assert ids == labels == []
    wanted = [(p + c, [-100] * len(p) + c) for p, c in rows]
    assert sorted(found) == sorted(wanted)


def test_packed_rows_do_not_see_each_other(tmp_path: Path, tiny_llama: Path, rows: str):
    """Two steps over all rows: in one sequence, in three, or padded, losses and gradients are the same.

    So no row attends to its neighbour, positions start again at 0, and the same tokens are trained.
    """
    shapes = {"padded": (False, 64, ROWS), "three": (True, 96, 3), "one": (True, 512, 1)}
    runs, traces = {}, {}
    for name, (packing, longest, count) in shapes.items():
        settings = {**SFT, "packing": packing, "max_length": longest, "batch_size": count}
        settings |= {"epochs": 2, "warmup_fraction": 0.0}
        hardware = {**HARDWARE, "micro_batch": count}
        given = job(tmp_path / name, tiny_llama, "sft", settings, rows, hardware=hardware)
        train_sft.main(**given)
        runs[name] = read_json(given["outputs"]["run"])
        assert (runs[name]["steps"], runs[name]["rows"]) == (2, ROWS)
        assert runs[name]["counts"]["sequences"] == count
        traces[name] = series(given, "loss") + series(given, "grad_norm")
    assert traces["padded"][0] - traces["padded"][1] > 0.1  # the second step is another
    assert traces["three"] == pytest.approx(traces["padded"], rel=1e-5)
    assert traces["one"] == pytest.approx(traces["padded"], rel=1e-5)
    # of every row the text "It is yes." or "It is no." and EOS: 11 or 10 tokens
    assert {run["counts"]["completion_tokens"] for run in runs.values()} == {ROWS // 2 * (11 + 10)}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_whose_packed_rows_see_each_other_is_refused(family: str):
    """OPT takes its positions, and who sees whom, from the mask alone."""
    data = train_sft.sequences(encoded(([5, 6, 7], [3, 2]), ([8, 9], [4, 2])), packing=True, longest=9)
    if family != "opt":
        train_sft.check_apart(tiny(family), data)
        return
    with pytest.raises(DataError, match="in OPTForCausalLM with attention 'sdpa' packed rows see each other"):
        train_sft.check_apart(tiny(family), data)
    alone = train_sft.sequences(encoded(([5, 6, 7], [3, 2]), ([8, 9], [4, 2])), packing=True, longest=5)
    train_sft.check_apart(tiny(family), alone)


def test_a_packed_training_is_told_and_reproducible(
    tmp_path: Path, tiny_llama: Path, rows: str, monkeypatch: pytest.MonkeyPatch
):
    settings = {**SFT, "packing": True, "max_length": 96, "batch_size": 2, "epochs": 2}
    jobs = [job(tmp_path / name, tiny_llama, "sft", settings, rows) for name in ("a", "b")]
    first, again = reruns(train_sft.main, jobs)
    assert first == again
    check_complete(jobs[0], steps=4, quantities={"loss"})  # 3 sequences: 2 steps an epoch
    card = (tmp_path / "a" / "README.md").read_text()
    assert "| sequences | 3 |" in card and "| completion tokens | 126 |" in card
    monkeypatch.setattr(train_sft, "APART", -1.0)
    with pytest.raises(DataError, match=r"in LlamaForCausalLM .* packed rows see each other"):
        train_sft.main(**job(tmp_path / "c", tiny_llama, "sft", settings, rows))


def test_a_stopped_training_by_length_goes_on_to_the_same_bytes(
    tmp_path: Path, tiny_llama: Path, rows: str, monkeypatch: pytest.MonkeyPatch
):
    """In the second epoch, whose order is another one."""
    settings = {**SFT, "epochs": 2}
    whole, stopped = (
        job(tmp_path / name, tiny_llama, "sft", settings, rows, hardware={**HARDWARE, "micro_batch": 2})
        for name in ("whole", "stopped")
    )
    expected = reruns(train_sft.main, [whole])
    with monkeypatch.context() as patch:
        passed = train_sft.SFTTrainer.training_step

        def told(self: Trainer, *args: object, **options: object) -> object:
            if self.state.global_step == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return passed(self, *args, **options)

        patch.setattr(train_sft.SFTTrainer, "training_step", told)
        with pytest.raises(Preempted, match="stopped at step 4 of 6"):
            train_sft.main(**stopped)
    assert reruns(train_sft.main, [stopped]) == expected


def test_an_adapter_is_continued(tmp_path: Path, tiny_llama: Path, rows: str):
    first = job(tmp_path / "first", tiny_llama, "sft", SFT, rows)
    train_sft.main(**first)
    slow = {**SFT, "learning_rate": 1e-9, "start_from": "sft"}
    train_sft.main(**job(tmp_path / "next", tiny_llama, "sft", slow, rows, start=parent(tmp_path / "first")))
    before, after = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("first", "next"))
    assert before.keys() == after.keys()
    assert max((after[name] - before[name]).abs().max() for name in before) < 1e-6


def test_an_adapter_of_another_shape_is_refused(tmp_path: Path, tiny_llama: Path, rows: str):
    given = job(tmp_path / "first", tiny_llama, "sft", SFT, rows)
    train_sft.main(**given)
    wider = job(tmp_path / "next", tiny_llama, "sft", SFT, rows, start=parent(tmp_path / "first"))
    with pytest.raises(IntegrityError, match="expected shape"):
        train_sft.main(**{**wider, "lora": {**wider["lora"], "r": 8}})
    fewer = {**wider["lora"], "target_modules": ["q_proj"]}
    with pytest.raises(IntegrityError, match="tensors do not fit the model"):
        train_sft.main(**{**wider, "lora": fewer})


def test_a_settings_key_is_named(tmp_path: Path, tiny_llama: Path, rows: str):
    wrong = {**SFT, "epoch": 2}
    del wrong["epochs"]
    with pytest.raises(
        DataError, match=r"^config 'methods\.sft': missing keys \['epochs'\], unknown keys \['epoch'\]"
    ):
        train_sft.main(**job(tmp_path / "a", tiny_llama, "sft", wrong, rows))


def test_long_rows_are_counted_and_too_many_are_an_error(tmp_path: Path, tiny_llama: Path, rows: str):
    # every byte is a token: "Is 10 odd?" is longer by one than "Is 1 odd?", "yes" by one than "no"
    lengths = {12 + len(str(i)) - 1 + len(f"It is {'yes' if i % 2 else 'no'}.") + 1 for i in range(ROWS)}
    longest = max(lengths)
    given = job(tmp_path / "a", tiny_llama, "sft", {**SFT, "max_length": longest - 1}, rows)
    train_sft.main(**given)  # only row 11 is two digits and "yes": 1 of 12 is under the tenth
    run = read_json(given["outputs"]["run"])
    assert (run["rows"], run["rows_dropped"]) == (ROWS - 1, 1)
    with pytest.raises(DataError, match="12 of 12 rows are over 8 tokens"):
        train_sft.main(**job(tmp_path / "b", tiny_llama, "sft", {**SFT, "max_length": 8}, rows))


def test_a_loss_that_is_not_finite_stops_before_the_weights(
    tmp_path: Path, tiny_llama: Path, rows: str, monkeypatch: pytest.MonkeyPatch
):
    passed = train_sft.SFTTrainer.compute_loss

    def broken(self: Trainer, *args: object, **options: object) -> object:
        loss = passed(self, *args, **options)
        return loss * float("nan") if self.state.global_step == 1 else loss

    monkeypatch.setattr(train_sft.SFTTrainer, "compute_loss", broken)
    with pytest.raises(NumericalError, match="gradient at step 2 is not finite"):
        train_sft.main(**job(tmp_path / "a", tiny_llama, "sft", SFT, rows))
    assert not (tmp_path / "a").exists()


def test_a_stopped_training_goes_on_to_the_same_bytes(
    tmp_path: Path, tiny_llama: Path, rows: str, monkeypatch: pytest.MonkeyPatch
):
    whole, stopped = (job(tmp_path / name, tiny_llama, "sft", SFT, rows) for name in ("whole", "stopped"))
    expected = reruns(train_sft.main, [whole])
    with monkeypatch.context() as patch:
        passed = train_sft.SFTTrainer.training_step

        def told(self: Trainer, *args: object, **options: object) -> object:
            os.kill(os.getpid(), signal.SIGTERM)
            return passed(self, *args, **options)

        patch.setattr(train_sft.SFTTrainer, "training_step", told)
        with pytest.raises(Preempted, match="stopped at step 1 of 3"):
            train_sft.main(**stopped)
    assert not (tmp_path / "stopped").exists()
    assert [path.name for path in Path("work").rglob("checkpoint-*")] == ["checkpoint-1"]
    assert reruns(train_sft.main, [stopped]) == expected
    check_complete(stopped, steps=3, quantities={"loss"})
