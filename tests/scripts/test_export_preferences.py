"""The exported folder: every file, every line, its origin and its card."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lib.test_verification import PROBLEM
from tests.scripts import test_take_given_pairs as pairs_of_people
from tests.scripts.test_build_preferences import SETTINGS
from workflow.lib.files import read_json, read_jsonl, write_json
from workflow.lib.parquet import write_parquet
from workflow.lib.records import Pair, Problem, Prompt, SftRow, load, table
from workflow.scripts import take_given_pairs
from workflow.scripts.export_preferences import main

DATA = {"licence": "CC BY-SA 4.0", "citation": "Stack Exchange"}
TEACHERS = {"big": {"kind": "vllm", "model": "llama", "api_key_env": "NAME_OF_A_VARIABLE"}}


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    """Return the arguments of ``main`` for the pairs of people."""
    took = pairs_of_people.given(tmp_path, pairs_of_people.TRAIN)
    take_given_pairs.main(**took)
    write_json(tmp_path / "data.json", DATA)
    same = {name: took[name] for name in ("train", "dev", "sft", "pairs", "prompts", "card", "dataset")}
    more = {"data": str(tmp_path / "data.json"), "export": str(tmp_path / "export"), "teachers": TEACHERS}
    return {**same, **more}


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_every_format_of_every_split_is_written(given: dict[str, Any], tmp_path: Path) -> None:
    main(**given)
    kinds = ["trl/standard/sft", "trl/standard/pairs", "trl/standard/prompts", "origins/sft", "origins/pairs"]
    kinds += [k.replace("standard", "conversational") for k in kinds[:3]]
    kinds += ["origins/prompts", "openai/supervised", "openai/preference"]
    wanted = {f"{kind}-{split}.jsonl" for kind in kinds for split in ("train", "dev")}
    assert files(tmp_path / "export") == wanted | {"README.md"}


def test_lines_are_the_rows_in_their_order(given: dict[str, Any], tmp_path: Path) -> None:
    main(**given)
    rows = [row for row in load(given["pairs"], Pair) if row.split == "train"]
    assert len(rows) == 2
    lines = read_jsonl(tmp_path / "export/trl/standard/pairs-train.jsonl")
    assert lines == [{"prompt": r.prompt, "chosen": r.chosen, "rejected": r.rejected} for r in rows]
    preferred = read_jsonl(tmp_path / "export/openai/preference-train.jsonl")
    assert [p["preferred_output"][0]["content"] for p in preferred] == [r.chosen for r in rows]
    origins = read_jsonl(tmp_path / "export/origins/pairs-train.jsonl")
    assert [o["row_id"] for o in origins] == [r.row_id for r in rows]
    assert {(o["source"], o["attribution"]) for o in origins} == {("f:1", "url, author")}


def test_the_card_comes_with_them(given: dict[str, Any], tmp_path: Path) -> None:
    main(**given)
    text = (tmp_path / "export/README.md").read_text()
    assert "CC BY-SA 4.0" in text and "| trl/standard/pairs-train.jsonl | 2 | TRL, texts |" in text
    assert "NAME_OF_A_VARIABLE" not in text
    for config in yaml.safe_load(text.split("---")[1])["configs"]:
        assert all((tmp_path / "export" / file["path"]).is_file() for file in config["data_files"])


def test_what_teachers_wrote_names_them(given: dict[str, Any], tmp_path: Path) -> None:
    row = ("p1/x/0", "p1", "g1", "train", "propositional", "Is it so?")
    write_parquet(given["sft"], table([SftRow(*row, "It is.")], SftRow))
    write_parquet(given["pairs"], table([Pair(*row, "It is.", "It is not.", 0.5)], Pair))
    write_parquet(given["prompts"], table([Prompt(*row, ["yes", "no"], "yes", "gold", "")], Prompt))
    write_parquet(given["train"], table([PROBLEM], Problem))
    write_parquet(given["dev"], table([replace(PROBLEM, problem_id="p2")], Problem))
    card = read_json(given["card"])
    write_json(given["card"], {**card, "settings": {**SETTINGS, "strategy": {"so": "right_vs_wrong"}}})
    main(**given)
    assert "- big: vllm, llama" in (tmp_path / "export/README.md").read_text().splitlines()
    assert not [name for name in files(tmp_path / "export") if "-dev" in name]  # dev has no row
    (origin,) = read_jsonl(tmp_path / "export/origins/pairs-train.jsonl")
    assert (origin["source"], origin["margin"], "attribution" in origin) == ("made:1", 0.5, False)


def test_the_same_rows_give_the_same_bytes(given: dict[str, Any], tmp_path: Path) -> None:
    main(**given)
    first = {name: (tmp_path / "export" / name).read_bytes() for name in files(tmp_path / "export")}
    main(**given)
    assert {name: (tmp_path / "export" / name).read_bytes() for name in first} == first
