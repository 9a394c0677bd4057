"""The reference's log-probabilities: computed once, found again by content, compared with live ones."""

from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file

from tests.training import DPO, HARDWARE, LORA, SFT, job, parent, write_rows
from workflow.lib import anchors
from workflow.lib.anchors import LOGPS, STORE, content_of, row_digests, use_stored
from workflow.lib.errors import IntegrityError
from workflow.lib.files import digest_of
from workflow.lib.parquet import read_parquet, rows_of, write_parquet
from workflow.lib.records import Pair, SftRow
from workflow.lib.training import Job
from workflow.scripts import train_dpo, train_sft

STORED = {"reference_logps": "stored"}


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_rows(tmp_path, Pair)


def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list to which the number of rows of every later reference pass of a store is added."""
    counted: list[int] = []
    once = train_dpo.TokenTrainer.compute_ref_log_probs

    def count(self: object, model: object, inputs: dict[str, torch.Tensor]) -> object:
        counted.append(len(inputs["input_ids"]) // 2)
        return once(self, model, inputs)

    monkeypatch.setattr(train_dpo.TokenTrainer, "compute_ref_log_probs", count)
    return counted


def curve(given: dict[str, dict[str, str]], quantity: str) -> list[float]:
    return [row["value"] for row in rows_of(given["outputs"]["curves"]) if row["quantity"] == quantity]


@pytest.mark.parametrize("from_sft", [False, True])
def test_stored_is_live_but_for_rounding(tmp_path: Path, tiny_llama: Path, rows: str, from_sft: bool):
    start = []
    if from_sft:
        train_sft.main(**job(tmp_path / "sft", tiny_llama, "sft", SFT, write_rows(tmp_path, SftRow)))
        start = parent(tmp_path / "sft")
    settings = {**DPO, "epochs": 4}
    live = job(tmp_path / "live", tiny_llama, "dpo", settings, rows, start=start)
    stored = job(tmp_path / "stored", tiny_llama, "dpo", settings, rows, start=start, shared=STORED)
    for given in (live, stored):
        train_dpo.main(**given)
    for quantity in ("loss", "rewards/chosen", "rewards/margins"):
        assert curve(stored, quantity) == pytest.approx(curve(live, quantity), abs=1e-4), quantity
    assert curve(stored, "rewards/margins")[-1] > 0.5  # there was something to learn
    ours, theirs = (load_file(given["outputs"]["adapter"]) for given in (stored, live))
    assert ours.keys() == theirs.keys()
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in ours) < 1e-3


def test_betas_and_seeds_share_one_pass(
    tmp_path: Path, tiny_llama: Path, rows: str, monkeypatch: pytest.MonkeyPatch
):
    counted = passes(monkeypatch)
    variants = {"a": ({}, 1), "b": ({"beta": 0.5}, 1), "c": ({}, 2)}
    for name, (change, seed) in variants.items():
        given = job(tmp_path / name, tiny_llama, "dpo", {**DPO, **change}, rows, seed=seed, shared=STORED)
        train_dpo.main(**given)
    # 12 rows in micro-batches of 4: three passes compute them; each of the three trainings looks at one again
    assert counted == [4, 4, 4] + [4] * 3
    assert len(list(STORE.iterdir())) == 1


def test_numbers_are_sums_over_the_completion(tmp_path: Path, tiny_llama: Path, rows: str):
    """Against a plain pass of the base over each row by itself, without padding."""
    from workflow.lib.models import load_base, load_tokenizer
    from workflow.lib.training import encode

    given = job(tmp_path / "a", tiny_llama, "dpo", DPO, rows, shared=STORED)
    train_dpo.main(**given)
    (file,) = STORE.glob(f"*/{LOGPS}")
    found = read_parquet(file)
    base, tokenizer = load_base(tiny_llama, HARDWARE), load_tokenizer(tiny_llama)
    encoded = encode(Job(**given), Pair, ["chosen", "rejected"], tokenizer, longest=64)
    for side in ("chosen", "rejected"):
        expected = []
        for row in encoded.rows:
            ids = torch.tensor([row["prompt_ids"] + row[f"{side}_ids"]])
            with torch.no_grad():
                logps = torch.log_softmax(base(ids).logits[0, :-1], dim=-1)
            told = logps.gather(-1, ids[0, 1:, None])[len(row["prompt_ids"]) - 1 :]
            expected.append(float(told.sum()))
        assert found[f"ref_{side}_logps"].to_pylist() == pytest.approx(expected, rel=1e-5)


def test_a_number_that_no_live_pass_gives_is_refused(tmp_path: Path, tiny_llama: Path, rows: str):
    given = job(tmp_path / "a", tiny_llama, "dpo", DPO, rows, shared=STORED)
    train_dpo.main(**given)
    (file,) = STORE.glob(f"*/{LOGPS}")
    table = read_parquet(file)
    column = table["ref_rejected_logps"].to_pylist()
    # seed 1 looks at the second micro-batch of 4, rows 4 to 7
    for row, factor, bad in ((4, 1.001, True), (7, 0.999, True), (5, float("nan"), True), (8, 1.001, False)):
        wrong = [value * factor if i == row else value for i, value in enumerate(column)]
        write_parquet(file, table.set_column(2, "ref_rejected_logps", pa.array(wrong, pa.float32())))
        if bad:
            with pytest.raises(IntegrityError, match=r"rows from 4: .* within 0\.0001, found (0\.00|nan)"):
                train_dpo.main(**given)
        else:
            train_dpo.main(**given)


def test_rows_of_another_job_are_refused(tmp_path: Path, tiny_llama: Path, rows: str):
    given = job(tmp_path / "a", tiny_llama, "dpo", DPO, rows, shared=STORED)
    train_dpo.main(**given)
    (file,) = STORE.glob(f"*/{LOGPS}")
    table = read_parquet(file)
    write_parquet(file, table.take([1, 0, *range(2, table.num_rows)]))
    with pytest.raises(IntegrityError, match="expected the rows of this job"):
        train_dpo.main(**given)


def test_the_key_is_what_the_numbers_depend_on(tmp_path: Path, tiny_llama: Path, rows: str):
    adapter = [str(tmp_path / "one"), str(tmp_path / "one.json")]
    (tmp_path / "one").write_text("weights")
    digests = row_digests(Dataset.from_list([{"prompt_ids": [1], "chosen_ids": [2], "rejected_ids": [3]}]))

    def key(digests: list[str] = digests, names: tuple[str, ...] = ("x",), **change: object) -> str:
        given = {**job(tmp_path / "a", tiny_llama, "dpo", DPO, rows), **change}
        return digest_of(content_of(Job(**given), names, digests))

    same = [key(), key(seed=2), key(settings={**DPO, "beta": 9.0}), key(lora={**LORA, "alpha": 1})]
    assert len(set(same)) == 1  # the bare base has no adapter that alpha would scale
    from_adapter, rescaled = key(start=adapter), key(start=adapter, lora={**LORA, "alpha": 1})
    (tmp_path / "one").write_text("other weights")
    others = [
        *(from_adapter, rescaled, key(start=adapter), key(names=("y",)), key(digests=[*digests, *digests])),
        key(hardware={**HARDWARE, "precision": "bfloat16"}),
        key(row_digests(Dataset.from_list([{"prompt_ids": [1, 2], "chosen_ids": [], "rejected_ids": [3]}]))),
    ]
    assert len({*same, *others}) == 8


def test_with_deepspeed_the_reference_stays_live(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    trainer = SimpleNamespace(is_deepspeed_enabled=True, precompute_ref_logps=False)
    use_stored(None, trainer, ("x",))
    assert not trainer.precompute_ref_logps and "live, because DeepSpeed" in capsys.readouterr().out


def test_both_ways_have_a_name():
    assert {"live": anchors.use_live, "stored": anchors.use_stored} == anchors.REFERENCES
