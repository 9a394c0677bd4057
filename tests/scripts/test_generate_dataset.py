"""The manifest lists every file of every source, and normalising reads them."""

from pathlib import Path
from typing import Any

from workflow.lib.files import read_json
from workflow.lib.manifests import check_files
from workflow.scripts.generate_dataset import main

SOURCE = {"kind": "generator", "seed": 1, "ambiguous": 0.0, "into": "all"}
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
