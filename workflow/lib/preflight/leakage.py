"""Whether what is trained on may be what is scored on: by the digests of files, then by their rows."""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from workflow.lib.fetching import matches
from workflow.lib.files import read_json
from workflow.lib.parquet import tables_of
from workflow.lib.preflight.lines import Line, Site, judged, not_yet, ok, wrong

LEARNED, HELD = ("train", "all"), ("test", "all")  # what rows of a source may enter


def leakage(site: Site) -> Iterator[Line]:
    """Tell of each dataset that is trained on whether a task's dataset has the same rows.

    Within one dataset a group of rows is in one split only, whatever its sources; this is about two datasets.
    """
    tested = sorted({task["dataset"] for task in site.study["evaluation"]["tasks"].values()})
    for trained in site.study["train"]["datasets"]:
        others = [name for name in tested if name != trained]
        found = [line for other in others for line in shared(site, trained, other)]
        fine = ok(trained, f"no source in common with {', '.join(others) or 'another dataset'}")
        yield from judged(found, fine)
        yield overlap(site, trained)


def shared(site: Site, trained: str, tested: str) -> Iterator[Line]:
    """Yield the sources of two datasets that share rows, learned from in one and held out in the other."""
    pairs = product(site.study["datasets"][trained]["sources"], site.study["datasets"][tested]["sources"])
    for one, other in pairs:
        if one["into"] in LEARNED and other["into"] in HELD:
            ours, theirs = digests(site, trained, one["name"]), digests(site, tested, other["name"])
            same = ours & theirs if ours and theirs else same_origin(one, other)
            if same:
                seen = f"datasets.{tested}.{other['name']} has the same rows and is scored on"
                told = f"trained on, and {seen}. Fix: make them sources of one dataset, which splits them."
                yield wrong(f"datasets.{trained}.{one['name']}", told)


def digests(site: Site, dataset: str, source: str) -> set[str]:
    """Return the SHA-256 of the files of a source; nothing while they are not here."""
    path = site.results / f"raw/{dataset}/manifest.json"
    found = read_json(path)["sources"] if path.is_file() else []
    return {entry["sha256"] for one in found if one["name"] == source for entry in one["files"]}


def same_origin(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two sources take the same rows, as far as the config can tell."""
    origins = {
        "generator": ("generator", "seed"),
        "hub": ("repo", "revision"),
        "local": ("path",),
    }
    if one["kind"] != other["kind"]:
        return False
    alike = all(one[key] == other[key] for key in origins[one["kind"]])
    return alike and (one["kind"] == "generator" or overlapping(one["files"], other["files"]))


def overlapping(ours: list[str], theirs: list[str]) -> bool:
    """Return whether a pattern of the one list is, or means, a pattern of the other."""
    return any(a == b or matches(a, b) or matches(b, a) for a, b in product(ours, theirs))


def overlap(site: Site, trained: str) -> Line:
    """Tell how many held-out problems are in the training split word for word, once they were compared."""
    path = Path(site.results / f"data/{trained}/contamination.parquet")
    if not path.is_file():
        return not_yet(trained, "rows are compared when the data are there (find_contamination).")
    tables = list(tables_of(str(path)))
    rows, seen = sum(t.num_rows for t in tables), sum(pc.sum(t["contaminated"]).as_py() or 0 for t in tables)
    if rows and seen == rows:
        told = f"all {rows} held-out problems are in its training split. Fix: hold out others."
        return wrong(trained, told)
    note = "; the report scores policies without them too" if seen else ""
    return ok(trained, f"{seen} of {rows} held-out problems are in its training split{note}")
