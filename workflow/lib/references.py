"""What a schema cannot see in a study: names that point nowhere and files that are not there."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from workflow.lib.sights import HINTED, STUDENT, TEACHER, sights_of

Keys = tuple[str | int, ...]

# Where a name stands → where it must be a key. `*` is any key or index, `~` the key itself.
REFERENCES = {
    "study.primary.task": "evaluation.tasks",
    "study.primary.method": "methods",
    "study.primary.against": "methods",
    "train.datasets.*": "datasets",
    "train.models.*": "models",
    "datasets.*.sources.*.options.tokenizer": "models",
    "prompts.pinned.~": "teachers",
    "preferences.strategy.~": "datasets",
    "methods.*.start_from": "methods",
    "methods.*.reward": "methods",
    "evaluation.tasks.*.dataset": "datasets",
}
# Where a prompt is named → what a prompt may see there.
PROMPTS = {
    "prompts.student": STUDENT,
    "prompts.candidates.*": TEACHER,
    "prompts.pinned.*": TEACHER,
    "rationales.hint_failed": HINTED,
}
# What adapters make that do not make problems; the registry itself is too heavy for the driver.
RECORDS = {
    "imdb": "Passage",
    "stack_exchange": "GivenPair",
    "r1_traces": "Trace",
    "puzzle_rationales": "Trace",
}
# What each strategy of preferences takes, and what is known of the completions that it pairs.
TAKES = {
    "right_vs_wrong": "Problem",
    "gold_vs_wrong": "Problem",
    "votes": "Problem",
    "given": "GivenPair",
    "passages": "Passage",
}
KNOWN = {
    "right_vs_wrong": ("votes", "logprob"),
    "gold_vs_wrong": ("votes",),
    "votes": ("votes", "logprob"),
    "given": (),
}
# Settings of preferences that need to know something.
NEEDED = (
    ("pair_choice", "hardest_negative", "logprob"),
    ("margin", "votes", "votes"),
    ("margin", "logprob", "logprob"),
)
WORDS = {"Problem": "problems", "GivenPair": "given pairs", "Passage": "passages"}
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
    for name, teacher in config["teachers"].items():
        if teacher["kind"] == "vllm" and teacher["model"] not in config["models"]:
            near = suggest(teacher["model"], list(config["models"]))
            yield ("teachers", name, "model"), f"'{teacher['model']}' is not among models.{near}"
    for dataset in config["train"]["datasets"]:
        if dataset not in config["preferences"]["strategy"]:
            yield ("preferences", "strategy"), f"no strategy for dataset '{dataset}'. Fix: add one."
    for name, dataset in config["datasets"].items():
        kinds = {source["kind"] for source in dataset["sources"]}
        if len(kinds) > 1 and "generator" in kinds:
            where = ("datasets", name, "sources")
            yield where, "expected generators only or none, found both. Fix: make two datasets of them."
    yield from _wrong_records(config)
    yield from _wrong_preferences(config)
    micro_batch = config["hardware"]["micro_batch"]
    for keys, batch in values_at(config, "methods.*.batch_size"):
        if batch % micro_batch:
            yield keys, f"expected a multiple of hardware.micro_batch ({micro_batch}), found {batch}"
    yield from _wrong_prompts(config, root)
    yield from _wrong_hints(config)
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
    strategies = config["preferences"]["strategy"]
    wanted = {name: TAKES[strategy] for name, strategy in strategies.items()}
    trained = [
        (keys, name, wanted[name]) for keys, name in values_at(config, "train.datasets.*") if name in wanted
    ]
    asked = [(keys, name, "Problem") for keys, name in values_at(config, "evaluation.tasks.*.dataset")]
    for keys, name, kind in [*trained, *asked]:
        if name in found and found[name] != [kind]:
            made = ", ".join(found[name])
            yield keys, f"expected a dataset of {WORDS[kind]}, found '{name}' of {made}. Fix: name another."


def _wrong_preferences(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield settings of pairs that need what a strategy does not know, and methods without pairs."""
    settings = config["preferences"]
    used = [name for name in config["train"]["datasets"] if name in settings["strategy"]]
    for name in used:
        strategy = settings["strategy"][name]
        for key, value, needed in NEEDED:
            if settings[key] == value and needed not in KNOWN.get(strategy, (needed,)):
                told = "log-probabilities" if needed == "logprob" else "votes"
                yield (
                    ("preferences", key),
                    f"'{value}' needs {told}, and strategy '{strategy}' of dataset '{name}' has none.",
                )
    without = [name for name in used if settings["strategy"][name] == "passages"]
    for method, about in config["methods"].items():
        if about["learns_from"] == "pairs" and without:
            told = f"learns from pairs, and strategy 'passages' of dataset '{without[0]}' makes none."
            yield ("methods", method), f"'{method}' {told} Fix: leave the method out."


def _wrong_prompts(config: dict[str, Any], root: Path) -> Iterator[tuple[Keys, str]]:
    """Yield prompts that are no file, or see what they may not see in their place, or not what they must."""
    files = {path.stem: path for path in sorted(root.glob("config/prompts/*.j2"))}
    named = [
        (*place, may_see) for pattern, may_see in PROMPTS.items() for place in values_at(config, pattern)
    ]
    for keys, name, may_see in named:
        sees = sights_of(files[name].read_text(encoding="utf-8")) if name in files else ()
        if name is not None and name not in files:
            yield keys, f"there is no file config/prompts/{name}.j2.{suggest(name, list(files))}"
        elif hidden := sorted(set(sees) - set(may_see)):
            told = f"prompt '{name}' sees {', '.join(hidden)}, which it may not here."
            yield keys, f"{told} Fix: name another."
        elif name is not None and may_see == HINTED and "answer" not in sees:
            yield keys, f"prompt '{name}' does not see the answer. Fix: name one that does, or null."


def _wrong_hints(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield settings that count votes, where some answers were given with the answer as a hint."""
    settings = config["preferences"]
    votes = settings["margin"] == "votes" or "votes" in settings["strategy"].values()
    if config["rationales"]["hint_failed"] is not None and votes:
        told = "hinted samples would vote, and preferences.strategy or preferences.margin counts votes."
        yield ("rationales", "hint_failed"), f"{told} Fix: set it to null."


def _missing_files(config: dict[str, Any], root: Path) -> Iterator[tuple[Keys, str]]:
    tasks = sorted(f"{path.parent.name}/{path.stem}" for path in root.glob("workflow/tasks/*/*.yaml"))
    for keys, name in values_at(config, "evaluation.tasks.*.definition"):
        if name not in tasks:
            yield keys, f"there is no file workflow/tasks/{name}.yaml.{suggest(name, tasks)}"
    for pattern in FOLDERS:
        for keys, path in values_at(config, pattern):
            if not Path(path).is_dir():
                yield keys, f"there is no folder '{path}'. Fix: correct the path."
