"""The manifest lists every file of every source, and normalising reads them."""

from pathlib import Path
from typing import Any

import pytest

from workflow.lib.errors import DataError
from workflow.lib.files import read_json, read_jsonl
from workflow.lib.manifests import check_files
from workflow.lib.records import group_id
from workflow.lib.splits import position
from workflow.scripts.generate_dataset import main

SOURCE = {
    "kind": "generator",
    "seed": 1,
    "ambiguous": 0.0,
    "flipped": {"train": 0.0, "dev": 0.0},
    "into": "all",
}
SETTINGS = {
    "sources": [
        {
            **SOURCE,
            "name": "bench",
            "generator": "logic",
            "size": 44,
            "ambiguous": 0.1,
            "adapter": "logicbench_bqa",
        },
        {**SOURCE, "name": "orders", "generator": "puzzles", "size": 5, "adapter": "puzzle"},
    ],
    "split": {"seed": 1, "dev": 0.1, "test": 0.2},
    "licence": "Apache-2.0",
    "citation": "none",
}


def generate(folder: Path, settings: dict[str, Any] = SETTINGS) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    main(
        manifest=str(folder / "manifest.json"),
        files=str(folder / "files"),
        dataset="mixed",
        settings=settings,
    )
    return dict(read_json(folder / "manifest.json"))


def test_the_manifest_lists_every_file(tmp_path: Path) -> None:
    manifest = generate(tmp_path)
    assert (manifest["dataset"], manifest["licence"]) == ("mixed", "Apache-2.0")
    assert [source["name"] for source in manifest["sources"]] == ["bench", "orders"]
    listed = [entry for source in manifest["sources"] for entry in source["files"]]
    found = {
        p.relative_to(tmp_path / "files").as_posix() for p in (tmp_path / "files").rglob("*.*") if p.is_file()
    }
    assert {entry["path"] for entry in listed} == found
    assert "bench/data/LogicBench(Eval)/BQA/nm_logic/default_reasoning_default/data_instances.json" in found
    assert {"bench/planted.jsonl", "orders/planted.jsonl", "orders/puzzles.jsonl"} <= found
    check_files(tmp_path / "files", listed)


def test_same_settings_same_manifest(tmp_path: Path) -> None:
    assert generate(tmp_path / "a") == generate(tmp_path / "b")


def flipped(folder: Path, shares: dict[str, float], into: str) -> list[float]:
    """Return the places of the contexts with a wrong label where 400 questions are written."""
    bench = {**SETTINGS["sources"][0], "size": 400, "flipped": shares, "into": into}
    split = {"seed": 1, "dev": 0.25, "test": 0.5}
    generate(folder, {**SETTINGS, "sources": [bench], "split": split})
    rows = read_jsonl(folder / "files/bench/planted.jsonl")
    wrong = [row["context"] for row in rows if row["planted"] == "mislabelled"]
    return [position(1, group_id("mixed", context)) for context in wrong]


# 180 of 200 contexts are settled, 360 questions. The places of test are those up to 0.5, of dev up to 0.75; a
# source that never enters test gives the former to train. So about 90 questions are in a quarter.
@pytest.mark.parametrize(
    ("into", "shares", "least", "most", "number"),
    [
        ("all", {"train": 0.0, "dev": 0.4}, 0.5, 0.75, 36),
        ("all", {"train": 0.4, "dev": 0.0}, 0.75, 1.0, 36),
        ("all", {"train": 0.4, "dev": 0.4}, 0.5, 1.0, 72),
        ("train", {"train": 0.4, "dev": 0.4}, 0.0, 1.0, 144),
    ],
)
def test_labels_are_wrong_in_the_splits_named_and_never_in_test(
    tmp_path: Path, into: str, shares: dict[str, float], least: float, most: float, number: int
) -> None:
    places = flipped(tmp_path, shares, into)
    assert least <= min(places) < max(places) < most
    assert 0.7 * number < len(places) < 1.3 * number
    assert into == "all" or min(places) < 0.1


def test_wrong_labels_in_a_source_of_test_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"flipped: train: expected 0\.0 where no problem enters train"):
        flipped(tmp_path, {"train": 0.4, "dev": 0.0}, "test")
