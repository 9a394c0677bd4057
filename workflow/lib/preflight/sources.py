"""Whether models, datasets and adapters are here as recorded, or where the study says that they come from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from workflow.lib.errors import PlumblineError
from workflow.lib.fetches import in_words
from workflow.lib.fetching import choose, files_below, mirrored, of_adapter, of_model
from workflow.lib.files import read_json
from workflow.lib.hub import Choice, Repository, UnreachableError, probe
from workflow.lib.preflight.lines import Line, Site, not_yet, of_error, ok, wrong


@dataclass(frozen=True)
class Source:
    """Something that the study takes from elsewhere."""

    name: str  # as the config has it
    kind: str  # dataset or model
    settings: Mapping[str, Any]
    choice: Choice
    manifest: Path  # that its fetch writes
    files: Path  # where the files of that manifest lie


def sources_of(site: Site) -> Iterator[Source]:
    """Yield everything that the study takes from the hub or from folders."""
    for name, about in site.study["models"].items():
        if about["kind"] != "scratch":
            folder = site.results / f"models/{name}"
            place = (folder / "manifest.json", folder / "snapshot")
            yield Source(f"models.{name}", "model", about, of_model, *place)
    for name, about in site.study["datasets"].items():
        folder = site.results / f"raw/{name}"
        for one in (one for one in about["sources"] if one["kind"] != "generator"):
            where = f"datasets.{name}.{one['name']}"
            choice = partial(choose, patterns=one["files"], where=where)
            yield Source(where, "dataset", one, choice, folder / "manifest.json", folder / "files")
    for name, about in site.study["teachers"].items():
        if about["kind"] == "adapter":
            folder = site.results / f"teachers/{name}"
            place = (folder / "manifest.json", folder / "adapter")
            yield Source(f"teachers.{name}", "model", about["adapter"], of_adapter, *place)


def sources(site: Site) -> Iterator[Line]:
    """Tell of each source whether it is here, or can be had."""
    reachable = not site.offline
    found = list(sources_of(site))
    if not found:
        yield ok("", "nothing is fetched")
    for source in found:
        ask = HAVE[source.settings["kind"]] if reachable else asleep
        try:
            yield here(source) or ask(source, site)
        except UnreachableError:  # nor will the others be
            reachable = False
            yield asleep(source, site)
        except PlumblineError as error:
            yield of_error(source.name, error)


def here(source: Source) -> Line | None:
    """Tell whether the files that the manifest lists are there; ``None`` where nothing was fetched so far."""
    if not source.manifest.is_file():
        return None
    about = read_json(source.manifest)
    entries = entries_of(about, source)
    if about_of(about, source)["revision"] != source.settings.get("revision"):
        return None  # it is fetched again
    found = {path: size_at(source.files / path) for path in entries}
    changed = [
        path for path, size in entries.items() if found[path] is None or size not in (None, found[path])
    ]
    if changed:
        path = source.files / changed[0]
        return wrong(source.name, f"{path}: not as in {source.manifest}. Fix: delete that manifest.")
    size = sum(size or 0 for size in entries.values()) / 1e6
    return ok(source.name, f"here, {len(entries)} files{f', {in_words(size)}' if size else ''}")


def about_of(about: Mapping[str, Any], source: Source) -> Mapping[str, Any]:
    """Return the part of a manifest that tells where the files of ``source`` are from."""
    parts = [one for one in about.get("sources", ()) if one["name"] == source.settings["name"]]
    return {"revision": None, **(parts[0] if parts else about)}


def entries_of(about: Mapping[str, Any], source: Source) -> dict[str, int | None]:
    """Return the size of each file by its path, as the manifest has it; an adapter's has digests only."""
    files = about_of(about, source)["files"]
    listed = files if isinstance(files, list) else [{"path": path, "bytes": None} for path in files]
    return {entry["path"]: entry["bytes"] for entry in listed}


def size_at(path: Path) -> int | None:
    """Return the size of a file; ``None`` where there is none."""
    return path.stat().st_size if path.is_file() else None


def in_folder(source: Source, site: Site) -> Line:
    """Tell what a local folder has of a source."""
    folder = Path(source.settings["path"])
    found = source.choice(files_below(folder))
    names = set(found)
    known = {"vocab.txt", "tokenizer.json"} & names
    if source.choice is of_model and not ("config.json" in names and known and weights_among(names)):
        lacking = "expected config.json, tokenizer.json (or vocab.txt) and *.safetensors"
        return wrong(source.name, f"{folder}: {lacking}. Fix: name a folder that has them.")
    return ok(source.name, f"{len(found)} files in {folder}")


def weights_among(names: set[str]) -> bool:
    """Return whether there are weights among the names of files."""
    return any(name.endswith(".safetensors") for name in names)


def on_hub(source: Source, site: Site) -> Line:
    """Tell whether the mirror, or else the hub, has a source at its revision and hands it out."""
    about = source.settings
    repository = Repository(source.kind, about["repo"], about["revision"])
    if mirror := site.environment.get("PLUMBLINE_MIRROR"):
        folder = mirrored(Path(mirror), repository.kind, repository.name, repository.revision)
        return ok(source.name, f"{len(source.choice(files_below(folder)))} files in the mirror")
    size = probe(repository, source.choice, about["megabytes"])
    return ok(source.name, f"the hub has {in_words(size)} of it, and hands it out")


def asleep(source: Source, site: Site) -> Line:
    """Tell of a source while the hub cannot be asked."""
    if source.settings["kind"] == "local" or site.environment.get("PLUMBLINE_MIRROR"):
        return HAVE[source.settings["kind"]](source, site)
    reason = "HF_HUB_OFFLINE is set" if site.offline else "the hub cannot be reached"
    return not_yet(source.name, f"not fetched, and {reason}. Check again where the network is.")


HAVE: dict[str, Callable[[Source, Site], Line]] = {"local": in_folder, "hub": on_hub}
