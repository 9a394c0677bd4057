"""Fetch and normalise the real rows in ../shared/data: nothing is lost, and the cards tell what is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.raw_files import SHARED
from workflow.lib.files import read_json
from workflow.lib.parquet import rows_of
from workflow.lib.records import Problem, records_in
from workflow.lib.splits import SPLITS
from workflow.scripts import fetch_dataset, normalise_dataset

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real rows in ../shared/data"),
]
EVAL, AUG = "data/LogicBench(Eval)", "data/LogicBench(Aug)"
Made = tuple[dict[str, Any], dict[str, list[Problem]]]


def source(name: str, adapter: str, folder: str, files: list[str], into: str) -> dict[str, Any]:
    where = {"kind": "local", "path": str(SHARED / folder), "files": files}
    return {"name": name, "adapter": adapter, "into": into, **where}


STUDIES = {
    "logicbench": [
        source("aug", "logicbench_bqa", "LogicBench", [f"{AUG}/**/*.json"], "train"),
        source("eval", "logicbench_bqa", "LogicBench", [f"{EVAL}/BQA/**/*.json"], "test"),
        source("choices", "logicbench_mcqa", "LogicBench", [f"{EVAL}/MCQA/**/*.json"], "test"),
    ],
    "folio": [
        source("train", "folio", "folio_v0.0", ["folio-train*.jsonl"], "train"),
        source("validation", "folio", "folio_v0.0", ["folio-validation*.jsonl"], "test"),
    ],
    "piqa": [source("valid", "piqa", "piqa", ["data/*"], "test")],
    "puzzles": [source("gym", "puzzle", "puzzles_reasoning_gym", ["*.jsonl"], "all")],
    "logiglue": [
        source("train", "logiglue", "logi_glue_shaped", ["*/*_train.jsonl"], "train"),
        source("test", "logiglue", "logi_glue_shaped", ["*/*_test.jsonl"], "test"),
    ],
    "abduction": [source("all", "abduction_rules", "AbductionRules", ["*.jsonl"], "all")],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """Return a function that makes a dataset of ``STUDIES`` once and gives its card and splits."""
    known: dict[str, Made] = {}

    def make(name: str) -> Made:
        if name not in known:
            known[name] = normalise(name, tmp_path_factory.mktemp(name))
        return known[name]

    return make


def normalise(name: str, folder: Path) -> Made:
    settings = {
        **{"sources": STUDIES[name], "split": {"seed": 1, "dev": 0.2, "test": 0.3}},
        **{"near_duplicates": {"words": 3, "similarity": 0.8}, "licence": "see SOURCE.txt", "citation": name},
    }
    raw = {"manifest": str(folder / "raw/manifest.json"), "files": str(folder / "raw/files")}
    fetch_dataset.main(**raw, dataset=name, settings=settings, checksums=str(folder))
    splits = {split: str(folder / f"{split}.parquet") for split in SPLITS}
    normalise_dataset.main(
        **raw,
        splits=splits,
        exports={split: path.replace(".parquet", ".jsonl") for split, path in splits.items()},
        near=str(folder / "near.parquet"),
        card=str(folder / "card.json"),
        dataset=name,
        settings=settings,
        tokenizers={},
    )
    card = read_json(folder / "card.json") | {"pairs": rows_of(folder / "near.parquet")}
    return card, {split: list(records_in(path, Problem)) for split, path in splits.items()}


@pytest.mark.parametrize("name", STUDIES)
def test_every_row_is_counted_and_no_group_is_on_two_sides(made, name):
    card, splits = made(name)
    steps = card["funnel"]
    assert all(step["rows_in"] >= step["rows_out"] and step["reason"] for step in steps)
    assert [s["rows_out"] for s in steps[:-1]] == [s["rows_in"] for s in steps[1:]]
    assert steps[-1]["rows_out"] == sum(map(len, splits.values())) == sum(card["rows"].values())
    groups = [{problem.group_id for problem in problems} for problems in splits.values()]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
    assert splits["test"]


def test_logicbench_is_counted_as_the_files_have_it(made):
    card, splits = made("logicbench")
    folder = SHARED / "LogicBench/data"
    texts = [json.loads(path.read_text()) for path in folder.rglob("data_instances.json")]
    samples = [s for text in texts for s in text["samples" if "samples" in text else "data_samples"]]
    questions = sum(len(s["qa_pairs"]) if "qa_pairs" in s else 1 for s in samples)
    assert card["funnel"][0]["rows_in"] == questions == 218
    asked = [(s["context"], q["question"]) for s in samples if "qa_pairs" in s for q in s["qa_pairs"]]
    told = {" ".join(" ".join(parts).split()) for parts in asked}
    yes_no = [p for problems in splits.values() for p in problems if p.choices == ["yes", "no"]]
    kept = {" ".join(f"{p.context} {p.question}".split()) for p in yes_no}
    assert kept <= told and len(told) - 10 < len(kept) == len(yes_no)


def test_the_card_finds_the_artefacts_of_logicbench(made):
    card, _ = made("logicbench")
    assert any("first question of a context is 'yes' and the rest 'no'" in line for line in card["findings"])
    assert any("contexts" in line or "groups" in line for line in card["findings"])
    assert card["traits"]["in_several"]["file"] >= 36  # every context of BQA is one of MCQA too


def test_the_card_finds_the_two_label_names_of_folio(made):
    card, _ = made("folio")
    assert any("Unknown" in line and "Uncertain" in line for line in card["findings"]), card["findings"]


def test_the_card_finds_the_one_word_pairs_of_piqa(made):
    card, splits = made("piqa")
    pairs = [[choice.split() for choice in problem.choices] for problem in splits["test"]]
    one = sum(len(a) == len(b) > 1 and sum(x != y for x, y in zip(a, b, strict=True)) == 1 for a, b in pairs)
    assert one > 30 and any(f"{one} of" in line and "exactly one word" in line for line in card["findings"])


def test_puzzles_with_wrong_labels_are_left_out_and_counted(made):
    card, _ = made("puzzles")
    reading = card["funnel"][0]
    rows = sum(
        len(path.read_text().splitlines()) for path in (SHARED / "puzzles_reasoning_gym").glob("*.jsonl")
    )
    assert reading["rows_in"] == rows and "label contradicted by its oracle" in reading["reason"]
    # Puzzles of one template differ in a few words, and those with other answers are not what drops a row.
    dropped = {row["second"] for row in card["pairs"] if row["dropped"]}
    assert dropped == {row["second"] for row in card["pairs"] if row["dropped"] and row["same_answer"]}
    assert sum(not row["same_answer"] and not row["dropped"] for row in card["pairs"]) > 100
