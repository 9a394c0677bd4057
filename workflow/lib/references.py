"""What a schema cannot see in a study: names that point nowhere and files that are not there."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Keys = tuple[str | int, ...]

# Where a name stands → where it must be a key. `*` is any key or index, `~` the key itself.
REFERENCES = {
    "study.primary.task": "evaluation.tasks",
    "study.primary.method": "methods",
    "study.primary.against": "methods",
    "train.datasets.*": "datasets",
    "train.models.*": "models",
    "datasets.*.sources.*.options.tokenizer": "models",
    "teachers.*.model": "models",
    "prompts.pinned.~": "teachers",
    "preferences.strategy.~": "datasets",
    "methods.*.start_from": "methods",
    "methods.*.reward": "methods",
    "evaluation.tasks.*.dataset": "datasets",
}
PROMPTS = ("prompts.student", "prompts.candidates.*", "prompts.pinned.*")
# What adapters make that do not make problems; the registry itself is too heavy for the driver.
RECORDS = {
    "imdb": "Passage",
    "stack_exchange": "GivenPair",
    "r1_traces": "Trace",
    "puzzle_rationales": "Trace",
}
FOLDERS = ("models.*.path", "datasets.*.sources.*.path")


def values_at(config: Any, pattern: str) -> Iterator[tuple[Keys, Any]]:
    """Yield the keys and the value of every place that ``pattern`` names and that is there."""
    first, _, rest = pattern.partition(".")
    pairs = list(config.items() if isinstance(config, dict) else enumerate(config))
    if first == "~":
        yield from (((key,), key) for key, _ in pairs)
        return
    for key, value in pairs:
        if first in ("*", key):
            deeper = values_at(value, rest) if rest else [((), value)]
            yield from (((key, *keys), found) for keys, found in deeper)


def suggest(found: object, known: Sequence[str]) -> str:
    """Return the name nearest to the one found, or all of them."""
    near = difflib.get_close_matches(str(found), known, n=1)
    return f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(known)}."


def reference_problems(config: dict[str, Any], root: Path) -> Iterator[tuple[Keys, str]]:
    """Yield the place and the sentence of every reference of ``config`` that does not hold.

    Args:
        config: A study that satisfies the schema.
        root: The repository, where prompt files and task definitions lie.
    """
    for pattern, target in REFERENCES.items():
        known = [str(name) for _, name in values_at(config, f"{target}.~")]
        known += ["base"] if target == "methods" and not pattern.endswith("reward") else []
        for keys, name in values_at(config, pattern):
            if name not in known:
                yield keys, f"'{name}' is not among {target}.{suggest(name, known)}"
    for dataset in config["train"]["datasets"]:
        if dataset not in config["preferences"]["strategy"]:
            yield ("preferences", "strategy"), f"no strategy for dataset '{dataset}'. Fix: add one."
    for name, dataset in config["datasets"].items():
        kinds = {source["kind"] for source in dataset["sources"]}
        if len(kinds) > 1 and "generator" in kinds:
            where = ("datasets", name, "sources")
            yield where, "expected generators only or none, found both. Fix: make two datasets of them."
    yield from _wrong_records(config)
    micro_batch = config["hardware"]["micro_batch"]
    for keys, batch in values_at(config, "methods.*.batch_size"):
        if batch % micro_batch:
            yield keys, f"expected a multiple of hardware.micro_batch ({micro_batch}), found {batch}"
    yield from _missing_files(config, root)


def _records_of(dataset: dict[str, Any]) -> list[str]:
    """Return the kinds of record that the sources of a dataset make."""
    adapters = {source["adapter"] for source in dataset["sources"]}
    special = {RECORDS[adapter] for adapter in adapters & RECORDS.keys()}
    return sorted(special | ({"Problem"} if adapters - RECORDS.keys() else set()))


def _wrong_records(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield datasets whose sources differ in kind, and stages that need problems and get something else."""
    found = {name: _records_of(dataset) for name, dataset in config["datasets"].items()}
    for name, kinds in found.items():
        if len(kinds) > 1:
            where = ("datasets", name, "sources")
            yield (
                where,
                f"expected one kind of record, found {', '.join(kinds)}. Fix: make two datasets of them.",
            )
    for pattern in ("train.datasets.*", "evaluation.tasks.*.dataset"):
        for keys, name in values_at(config, pattern):
            if name in found and found[name] != ["Problem"]:
                made = ", ".join(found[name])
                yield keys, f"expected a dataset of problems, found '{name}' of {made}. Fix: name another."


def _missing_files(config: dict[str, Any], root: Path) -> Iterator[tuple[Keys, str]]:
    prompts = sorted(path.stem for path in root.glob("config/prompts/*.j2"))
    for pattern in PROMPTS:
        for keys, name in values_at(config, pattern):
            if name not in prompts:
                yield keys, f"there is no file config/prompts/{name}.j2.{suggest(name, prompts)}"
    tasks = sorted(f"{path.parent.name}/{path.stem}" for path in root.glob("workflow/tasks/*/*.yaml"))
    for keys, name in values_at(config, "evaluation.tasks.*.definition"):
        if name not in tasks:
            yield keys, f"there is no file workflow/tasks/{name}.yaml.{suggest(name, tasks)}"
    for pattern in FOLDERS:
        for keys, path in values_at(config, pattern):
            if not Path(path).is_dir():
                yield keys, f"there is no folder '{path}'. Fix: correct the path."
