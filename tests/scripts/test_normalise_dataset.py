"""Normalising: every row is counted, splits are clean, bytes repeat, changed files are refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from workflow.lib.errors import DataError, IntegrityError
from workflow.lib.files import read_json, read_jsonl
from workflow.lib.manifests import list_files
from workflow.lib.parquet import rows_of
from workflow.lib.records import Problem, load
from workflow.scripts.normalise_dataset import main

SPLITS = ("train", "dev", "test")


def sample(number: int, context: str, *answers: str) -> dict:
    pairs = [{"question": f"Is it so, {i}?", "answer": answer} for i, answer in enumerate(answers)]
    return {"id": number, "context": context, "qa_pairs": pairs}


NEAR = {"words": 3, "similarity": 0.8}


def normalise(
    folder: Path, samples: list[dict], near: dict = NEAR, limits: dict | None = None, **split: float
) -> dict:
    """Write ``samples`` as a LogicBench file, normalise it, and return the card."""
    path = folder / "raw/files/bqa/data_instances.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"type": "nm_logic", "axiom": "default", "samples": samples}))
    source = {"name": "bqa", "kind": "local", "adapter": "logicbench_bqa", "into": "all"}
    source |= {"limits": limits} if limits else {}
    files = list_files(folder / "raw/files/bqa", folder / "raw/files")
    manifest = {"sources": [{**source, "files": files}], "licence": "MIT", "citation": "x"}
    (folder / "raw/manifest.json").write_text(json.dumps(manifest))
    return run(folder, source, split or {"dev": 0.2, "test": 0.3}, near)


def run(folder: Path, source: dict, split: dict, near: dict = NEAR) -> dict:
    main(
        manifest=str(folder / "raw/manifest.json"),
        files=str(folder / "raw/files"),
        splits={name: str(folder / f"{name}.parquet") for name in SPLITS},
        exports={name: str(folder / f"{name}.jsonl") for name in SPLITS},
        near=str(folder / "near.parquet"),
        card=str(folder / "card.json"),
        dataset="logic",
        settings={"sources": [source], "split": {"seed": 1, **split}, "near_duplicates": near},
        tokenizers={},
    )
    return read_json(folder / "card.json")


def test_rows_are_counted_and_groups_stay_whole(tmp_path):
    samples = [sample(i, f"Context {i}.", "yes", "no") for i in range(60)]
    samples.append(sample(61, "context  0.", "yes"))  # the first question of context 0 again
    samples.append(sample(62, "Context 1.", "no"))  # contradicts the first question of context 1
    card = normalise(tmp_path, samples)
    steps = {row["step"]: (row["rows_in"], row["rows_out"]) for row in card["funnel"]}
    # 60 × 2 + 2 = 122 rows; both sides of the conflict go: 120; the repeat goes: 119
    assert steps["reading"] == (122, 122)
    assert steps["conflicts"] == (122, 120) and steps["duplicates"] == (120, 119)
    assert sum(card["rows"].values()) == steps["near duplicates"][1] == 119
    told = [(row["question"], row["answer"]) for row in card["conflicts"]]
    assert sorted(told) == [("Is it so, 0?", "no"), ("Is it so, 0?", "yes")]
    groups = [{p.group_id for p in load(tmp_path / f"{s}.parquet", Problem)} for s in SPLITS]
    assert (
        all(groups) and not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    )
    assert [len(read_jsonl(tmp_path / f"{s}.jsonl")) for s in SPLITS] == [card["rows"][s] for s in SPLITS]


def test_order_of_rows_does_not_matter_and_bytes_repeat(tmp_path):
    samples = [sample(i, f"Context {i}.", "yes") for i in range(30)]
    for name, given in {"a": samples, "again": samples, "reversed": samples[::-1]}.items():
        normalise(tmp_path / name, given)
    for file in ("train.parquet", "test.parquet", "near.parquet", "card.json", "train.jsonl"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    for split in SPLITS:  # only the row that a problem was read from may differ
        here, there = (load(tmp_path / name / f"{split}.parquet", Problem) for name in ("a", "reversed"))
        assert here and [replace(p, source="") for p in here] == [replace(p, source="") for p in there]


def test_planted_defects_are_joined(tmp_path):
    path = tmp_path / "raw/files/bqa/planted.jsonl"
    path.parent.mkdir(parents=True)
    row = {"context": "Context 3.", "question": "Is it so, 0?", "planted": "ambiguous"}
    path.write_text(json.dumps(row) + "\n")
    card = normalise(tmp_path, [sample(i, f"Context {i}.", "yes") for i in range(30)])
    assert (
        sum(
            split["planted"]["ambiguous"]
            for split in card["splits"].values()
            if "ambiguous" in split["planted"]
        )
        == 1
    )


def test_a_changed_raw_file_is_refused(tmp_path):
    normalise(tmp_path, [sample(i, f"Context {i}.", "yes") for i in range(30)])
    path = tmp_path / "raw/files/bqa/data_instances.json"
    path.write_text(path.read_text().replace("Context 3.", "Context three."))
    source = {"name": "bqa", "adapter": "logicbench_bqa", "into": "all"}
    with pytest.raises(IntegrityError, match="sha256: expected"):
        run(tmp_path, source, {"dev": 0.2, "test": 0.3})


def test_an_empty_test_split_is_told(tmp_path):
    with pytest.raises(DataError, match="the test split is empty"):
        normalise(tmp_path, [sample(1, "Context.", "yes")], dev=0.0, test=0.0)


def test_near_twins_are_listed_and_those_with_the_same_answer_go(tmp_path):
    words = "Ann gets up early and waters the plants before she goes to work in the old mill by the river"
    samples = [
        sample(1, f"{words}.", "yes"),
        sample(2, f"{words} today.", "yes"),
        sample(3, f"Now {words}.", "no"),
        *(sample(i, f"Context {i}.", "yes") for i in range(4, 40)),
    ]
    card = normalise(tmp_path, samples)
    pairs = rows_of(tmp_path / "near.parquet")
    # 3-grams with question and choices: 24 of the first; 22 of 27 shared with the second, 24 of 25 with
    # the third; second and third share 22 of 28, which is less than 0.8
    assert card["near"]["pairs"] == len(pairs) == 2 and card["near"]["other_answer"] == 1
    assert {row["similarity"]: (row["same_answer"], row["dropped"]) for row in pairs} == {
        round(22 / 27, 4): (True, True),
        round(24 / 25, 4): (False, False),
    }
    assert sum(card["rows"].values()) == 38  # of 39


def test_limits_are_counted(tmp_path):
    card = normalise(
        tmp_path, [sample(i, f"Context {i}.", "yes") for i in range(30)], limits={"rows_per_rule": 20}
    )
    steps = {row["step"]: (row["rows_in"], row["rows_out"]) for row in card["funnel"]}
    assert steps["limits"] == (30, 20) and sum(card["rows"].values()) == 20


def test_twenty_bad_rows_are_told_at_a_time(tmp_path):
    samples = [sample(i, f"Context {i}.", "maybe" if i % 2 else "yes") for i in range(60)]
    with pytest.raises(DataError) as caught:
        normalise(tmp_path, samples)
    lines = str(caught.value).splitlines()
    assert len(lines) == 21 and lines[-1] == "Rows after these were not looked at."
    assert "row 2 question 1 field 'answer': expected 'yes' or 'no', found 'maybe'" in lines[0]
