"""Passages become prompts and continuations, and no pairs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.lib.test_given import TEXT
from tests.scripts.test_build_preferences import SETTINGS
from workflow.lib.errors import DataError
from workflow.lib.files import read_json
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Pair, Passage, Prompt, SftRow, load, table
from workflow.scripts.take_prompts import main

WHOLE = replace(TEXT, problem_id="t2", text="A dull one", prompt="A dull one")
HELD = replace(TEXT, problem_id="t3", text="No fun at all", prompt="No")


def given(folder: Path, train: list[Passage]) -> dict[str, Any]:
    """Return the arguments of ``main`` for these passages."""
    write_parquet(folder / "train.parquet", table(train, Passage))
    write_parquet(folder / "dev.parquet", table([HELD], Passage))
    (folder / "student.j2").write_text("{{ question }}")
    files = ("train", "dev", "sft", "pairs", "prompts")
    return {
        **{name: str(folder / f"{name}.parquet") for name in files},
        "prompt": str(folder / "student.j2"),
        "card": str(folder / "card.json"),
        "dataset": "imdb",
        "settings": {**SETTINGS, "strategy": {"imdb": "passages"}},
    }


def test_prompts_and_continuations_but_no_pairs(tmp_path: Path) -> None:
    main(**given(tmp_path, [TEXT, WHOLE]))
    assert [(r.prompt, r.completion, r.split) for r in load(tmp_path / "sft.parquet", SftRow)] == [
        ("A fine", "film it is.", "train"),
        ("No", "fun at all", "dev"),
    ]
    assert [(r.prompt, r.split) for r in load(tmp_path / "prompts.parquet", Prompt)] == [
        ("A fine", "train"),
        ("A dull one", "train"),
        ("No", "dev"),
    ]
    assert load(tmp_path / "pairs.parquet", Pair) == []


def test_the_card_counts_what_has_no_continuation(tmp_path: Path) -> None:
    main(**given(tmp_path, [TEXT, WHOLE]))
    card = read_json(tmp_path / "card.json")
    assert [(s["step"], s["rows_in"], s["rows_out"]) for s in card["funnel"]] == [
        ("passages that go on after a word", 3, 2),
        ("distinct good completions", 2, 2),
        ("sft", 2, 2),
    ]
    assert card["rows_per_split"] == {
        "sft": {"train": 1, "dev": 1},
        "pairs": {},
        "prompts": {"train": 2, "dev": 1},
    }
    assert card["lengths"]["chosen"]["texts"] == 0 and card["length_bias"]["after"]["pairs"] == 0


def test_no_passage_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'imdb': train has no passage"):
        main(**given(tmp_path, []))
