"""Rows 33 and 34 at the door of training: pairs that are none, and rows that are too long, for every method.

TRL's trainers take the former without a word, and cut or drop the latter. Pairs that we make are checked
where they are made (``test_preferences``); a file of pairs may come from elsewhere.
"""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.training import DPO, KTO, ORPO, REWARD, ROWS, SIMPO, job, write_rows
from workflow.lib.errors import DataError
from workflow.lib.files import read_json
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Pair, load, table
from workflow.scripts import train_dpo, train_kto, train_orpo, train_reward, train_simpo

METHODS: dict[str, tuple[ModuleType, dict[str, Any]]] = {
    "reward": (train_reward, REWARD),
    "dpo": (train_dpo, DPO),
    "orpo": (train_orpo, ORPO),
    "kto": (train_kto, KTO),
    "simpo": (train_simpo, SIMPO),
}
EACH = pytest.mark.parametrize("method", METHODS)
LONG = "x" * 60  # a token per character: with the prompt and EOS over 64


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return write_rows(tmp_path, Pair)


def change(rows: str, *which: int, **fields: str) -> None:
    """Change fields of some rows of the file."""
    pairs = [replace(row, **fields) if i in which else row for i, row in enumerate(load(rows, Pair))]
    write_parquet(rows, table(pairs, Pair))


def run(method: str, folder: Path, model: Path, rows: str) -> dict[str, Any]:
    """Train; return the run's record."""
    script, settings = METHODS[method]
    given = job(folder / "a", model, method, settings, rows)
    script.main(**given)
    return read_json(given["outputs"]["run"])


@EACH
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"chosen": "It is so.", "rejected": "It is so."}, "expected chosen and rejected to differ"),
        ({"chosen": "It is so.", "rejected": " It is so.\n"}, "expected chosen and rejected to differ"),
        ({"chosen": ""}, "field 'chosen': expected a text, found none"),
        ({"rejected": " \n"}, "field 'rejected': expected a text, found none"),
    ],
    ids=["the same", "the same but for its spacing", "chosen is empty", "rejected is blank"],
)
def test_a_pair_of_less_than_two_texts_is_named(
    method: str, fields: dict[str, str], told: str, tmp_path: Path, tiny_llama: Path, rows: str
) -> None:
    change(rows, 7, **fields)
    with pytest.raises(DataError, match=f"row train-7.*{told}") as caught:
        run(method, tmp_path, tiny_llama, rows)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "a").exists() and not Path("work").exists()


@EACH
@pytest.mark.parametrize("side", ["chosen", "rejected", "prompt"])
def test_a_long_row_is_counted_and_not_cut(
    method: str, side: str, tmp_path: Path, tiny_llama: Path, rows: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One row of 12: under a tenth. KTO trains on the two completions of each pair that is left."""
    change(rows, 3, **{side: LONG})
    record = run(method, tmp_path, tiny_llama, rows)
    assert "rows: 12 in, 1 over 64 tokens, 11 kept" in capsys.readouterr().out
    each = 2 if method == "kto" else 1
    assert (record["rows"], record["rows_dropped"]) == (each * (ROWS - 1), 1)


@EACH
def test_too_many_long_rows_are_an_error(method: str, tmp_path: Path, tiny_llama: Path, rows: str) -> None:
    """FAULTS row 34: four of twelve prompts over the length."""
    change(rows, 1, 4, 5, 8, prompt=LONG)
    with pytest.raises(DataError, match=rf"4 of 12 rows are over 64 tokens.*methods\.{method}"):
        run(method, tmp_path, tiny_llama, rows)
    assert not (tmp_path / "a").exists()
