"""Normalising: every row is counted, splits are clean, bytes repeat, changed files are refused."""

import json
from pathlib import Path

import pytest

from workflow.lib.errors import DataError, IntegrityError
from workflow.lib.files import read_json, read_jsonl
from workflow.lib.manifests import list_files
from workflow.lib.records import Problem, load
from workflow.scripts.normalise_dataset import main

SPLITS = ("train", "dev", "test")


def sample(number: int, context: str, *answers: str) -> dict:
    pairs = [{"question": f"Is it so, {i}?", "answer": answer} for i, answer in enumerate(answers)]
    return {"id": number, "context": context, "qa_pairs": pairs}


def normalise(folder: Path, samples: list[dict], **split: float) -> dict:
    """Write ``samples`` as a LogicBench file, normalise it, and return the card."""
    path = folder / "raw/files/bqa/data_instances.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"type": "nm_logic", "axiom": "default", "samples": samples}))
    source = {"name": "bqa", "kind": "local", "adapter": "logicbench_bqa", "into": "all"}
    files = list_files(folder / "raw/files/bqa", folder / "raw/files")
    manifest = {"sources": [{**source, "files": files}], "licence": "MIT", "citation": "x"}
    (folder / "raw/manifest.json").write_text(json.dumps(manifest))
    return run(folder, source, split or {"dev": 0.2, "test": 0.3})


def run(folder: Path, source: dict, split: dict) -> dict:
    main(
        manifest=str(folder / "raw/manifest.json"),
        files=str(folder / "raw/files"),
        **{name: str(folder / f"{name}.parquet") for name in SPLITS},
        exports=[str(folder / f"{name}.jsonl") for name in SPLITS],
        card=str(folder / "card.json"),
        dataset="logic",
        settings={"sources": [source], "split": {"seed": 1, **split}},
    )
    return read_json(folder / "card.json")


def test_rows_are_counted_and_groups_stay_whole(tmp_path):
    samples = [sample(i, f"Context {i}.", "yes", "no") for i in range(60)]
    samples.append(sample(61, "context  0.", "yes"))  # the first question of context 0 again
    samples.append(sample(62, "Context 1.", "no"))  # contradicts the first question of context 1
    card = normalise(tmp_path, samples)
    steps = {row["step"]: (row["rows_in"], row["rows_out"]) for row in card["funnel"]}
    # 60 × 2 + 2 = 122 rows; both sides of the conflict go: 120; the repeat goes: 119
    assert steps["conflicts"] == (122, 120) and steps["duplicates"] == (120, 119)
    assert sum(card["rows"].values()) == steps["leakage"][1] == 119
    groups = [{p.group_id for p in load(tmp_path / f"{s}.parquet", Problem)} for s in SPLITS]
    assert (
        all(groups) and not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    )
    assert [len(read_jsonl(tmp_path / f"{s}.jsonl")) for s in SPLITS] == [card["rows"][s] for s in SPLITS]


def test_order_of_rows_does_not_matter_and_bytes_repeat(tmp_path):
    samples = [sample(i, f"Context {i}.", "yes") for i in range(30)]
    for name in ("a", "b"):
        normalise(tmp_path / name, samples)
    for file in ("train.parquet", "test.parquet", "card.json", "train.jsonl"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_planted_defects_are_joined(tmp_path):
    path = tmp_path / "raw/files/bqa/planted.jsonl"
    path.parent.mkdir(parents=True)
    row = {"context": "Context 3.", "question": "Is it so, 0?", "planted": "ambiguous"}
    path.write_text(json.dumps(row) + "\n")
    card = normalise(tmp_path, [sample(i, f"Context {i}.", "yes") for i in range(30)])
    assert sum(card["planted"].values()) == 1


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
