"""The RO-Crate holds to the must rules of its specification and tells the truth of every file."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.lib.test_citations import facts
from workflow.lib.files import sha256, write_json
from workflow.scripts import write_crate

PLACES = ["report.html", "analysis/a b.csv", "evaluation/x/y.parquet", "config.yaml"]
ADAPTER = ("adapter_model.safetensors", "adapter_config.json")
TIMES = [
    ("2026-11-20T10:00:00+00:00", "2026-11-20T11:00:00+00:00"),
    ("2026-11-19T09:00:00+00:00", "2026-11-21T08:00:00+00:00"),
]


def problems(crate: dict, folder: Path) -> list[str]:
    """Return what of RO-Crate 1.1 the crate in ``folder`` breaks (sections 2 to 5: the rules with MUST)."""
    graph = crate["@graph"]
    by_id = {entity["@id"]: entity for entity in graph}
    context = crate["@context"]
    found = [] if context[0] == "https://w3id.org/ro/crate/1.1/context" else ["context"]
    found += ["two entities of one id"] * (len(by_id) != len(graph))
    descriptor, root = by_id.get("ro-crate-metadata.json", {}), by_id.get("./", {})
    if descriptor.get("@type") != "CreativeWork" or descriptor.get("about") != {"@id": "./"}:
        found.append("descriptor")
    if descriptor.get("conformsTo") != {"@id": "https://w3id.org/ro/crate/1.1"}:
        found.append("conformsTo")
    if root.get("@type") != "Dataset" or not all(root.get(k) for k in ("name", "description", "license")):
        found.append("root")
    if not re.match(r"\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$", root.get("datePublished", "")):
        found.append("date")
    parts = [part["@id"] for part in root.get("hasPart", [])]
    files = [entity["@id"] for entity in graph if entity["@type"] == "File"]
    found += ["a file is no part, or a part no file"] * (sorted(parts) != sorted(files))
    found += [f"{name}: not there" for name in files if not (folder / unquote(name)).is_file()]
    found += [f"{name}: no relative URI" for name in files if re.search(r"[ \\]|^/|^\.\.?/|:", name)]
    linked = re.findall(r'\{"@id": "([^"]+)"\}', json.dumps(graph))
    found += [f"{name}: linked, not described" for name in linked if name not in by_id and "://" not in name]
    flat = [value for entity in graph for value in entity.values() if isinstance(value, dict)]
    found += ["nested entity"] * any(set(value) != {"@id"} for value in flat)
    return found + [f"{e['@id']}: no type" for e in graph if not e.get("@type")]


@pytest.fixture
def made(tmp_path: Path) -> tuple[dict, Path]:
    told = facts() | {"commit": "c0ffee", "config_sha256": "ab" * 32}
    for manifest in told["manifests"]:
        manifest["manifest_sha256"] = "cd" * 32
    told["manifests"].append({"teacher": "mine", "manifest_sha256": "ef" * 32, "revision": None})
    folder = tmp_path / "results"
    for number, place in enumerate(PLACES):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text("x" * (number + 1))
    write_json(tmp_path / "provenance.json", told)
    for number, (started, ended) in enumerate(TIMES):
        write_json(folder / f"run-{number}/run.json", {"started": started, "ended": ended})
        for name in ("curves.parquet", *ADAPTER):
            (folder / f"run-{number}" / name).write_text(name)
    write_crate.main(
        files=[str(folder / place) for place in (*PLACES, PLACES[0])],
        provenance=str(tmp_path / "provenance.json"),
        runs=[str(folder / f"run-{number}") for number in range(2)],
        crate_file=str(folder / "ro-crate-metadata.json"),
    )
    return json.loads((folder / "ro-crate-metadata.json").read_text()), folder


def test_the_crate_holds_to_the_specification(made):
    assert problems(*made) == []


@pytest.mark.parametrize(
    ("breaks", "told"),
    [
        (lambda graph: graph[0].pop("about"), "descriptor"),
        (lambda graph: graph[1].pop("datePublished"), "date"),
        (lambda graph: graph[1]["hasPart"].pop(), "a file is no part, or a part no file"),
        (
            lambda graph: graph.remove(next(e for e in graph if e["@id"] == "#workflow")),
            "#workflow: linked, not described",
        ),
        (lambda graph: graph.append(dict(graph[-1])), "two entities of one id"),
    ],
)
def test_the_rules_of_this_test_find_what_is_broken(made, breaks, told):
    crate, folder = made
    breaks(crate["@graph"])
    assert told in problems(crate, folder)


def test_every_file_has_its_size_digest_and_format(made):
    crate, folder = made
    files = {entity["@id"]: entity for entity in crate["@graph"] if entity["@type"] == "File"}
    of_runs = {f"run-{n}/{name}" for n in range(2) for name in ("run.json", "curves.parquet", *ADAPTER)}
    named = {"report.html", "analysis/a%20b.csv", "evaluation/x/y.parquet", "config.yaml"}
    assert set(files) == named | of_runs
    table = files["analysis/a%20b.csv"]
    assert (table["contentSize"], table["encodingFormat"], table["name"]) == ("2", "text/csv", "a b.csv")
    assert table["sha256"] == sha256(folder / "analysis/a b.csv")


def test_the_run_says_when_of_what_and_with_what(made):
    entities = {entity["@id"]: entity for entity in made[0]["@graph"]}
    run = entities["#run"]
    assert (run["@type"], run["instrument"]) == ("CreateAction", {"@id": "#workflow"})
    assert (run["startTime"], run["endTime"]) == (TIMES[1][0], TIMES[1][1])
    assert entities["./"]["datePublished"] == TIMES[1][1]
    assert [ref["@id"] for ref in run["object"]] == ["#dataset-logic", "#model-tiny", "#teacher-mine"]
    assert len(run["result"]) == 4 + 2 * 4  # files, and runs × files of each
    assert entities["#workflow"]["version"] == "c0ffee"
    assert entities["#software-torch"]["softwareVersion"] == "1.0 and 2.13.0+cpu and 2.14.0"
    assert entities["#dataset-logic"]["license"] == "CC-BY_4"
    assert entities["#dataset-logic"]["version"] == "abc"
    assert "version" not in entities["#model-tiny"]  # it has no revision
    assert "logic: CC-BY_4" in entities["#licences"]["description"]
