"""What a schema cannot see in a study: names that point nowhere and files that are not there."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from workflow.lib.families import REWARD, family, rewards_among
from workflow.lib.rounds import rounds_of
from workflow.lib.sights import COMPARER, HINTED, JUDGE, MUST_SEE, RIVALS, STUDENT, TEACHER, sights_of
from workflow.lib.trials import FIXED, MOST_TRIALS, number_of

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
    "hardware.vllm_tensor_parallel_of.~": "teachers",
    "rationales.judge.by": "teachers",
    "preferences.strategy.~": "datasets",
    "methods.*.start_from": "methods",
    "methods.*.rewards.*.model": "models",
    "rounds.~": "methods",
    "train.shares.~": "methods",
    "evaluation.tasks.*.dataset": "datasets",
    "evaluation.tasks.*.scorers.*": "evaluation.scorers",
    "evaluation.scorers.*.model": "models",
    "evaluation.scorers.*.method": "methods",
    "evaluation.noise_floor.task": "evaluation.tasks",
    "evaluation.judge.by": "teachers",
    "evaluation.judge.task": "evaluation.tasks",
    "sweeps.task": "evaluation.tasks",
}
ROUNDS_TOO = ("study.primary.method", "study.primary.against")  # may name a round of a method
# Where a prompt is named → what a prompt may see there.
PROMPTS = {
    "prompts.student": STUDENT,
    "prompts.candidates.*": TEACHER,
    "prompts.pinned.*": TEACHER,
    "rationales.hint_failed": HINTED,
    "rationales.judge.entails": JUDGE,
    "rationales.judge.compare.prompt": COMPARER,
    "evaluation.judge.prompt": RIVALS,
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
# Losses of DPO, and whether they are told of wrong labels → what is wrong with that.
SMOOTHING = {
    ("ipo", True): "it takes none. Fix: set it to 0.0, or the loss to sigmoid or robust.",
    ("robust", False): "that is sigmoid. Fix: give the share of wrong labels, or set the loss to sigmoid.",
}
JUDGED = {"unsupported": "judge.entails", "outjudged": "judge.compare.prompt"}  # flag → who gives it
SPOKEN = ("right_vs_wrong", "votes")  # strategies that learn from what a teacher said
ANSWERED = {"accuracy": "Problem", "reward": "Passage"}  # what a task of each metric asks
WORDS = {"Problem": "problems", "GivenPair": "given pairs", "Passage": "passages"}
FOLDERS = ("models.*.path", "datasets.*.sources.*.path", "teachers.*.adapter.path")


def values_at(config: Any, pattern: str) -> Iterator[tuple[Keys, Any]]:
    """Yield the keys and the value of every place that ``pattern`` names and that is there."""
    first, _, rest = pattern.partition(".")
    pairs = list(config.items() if isinstance(config, dict) else enumerate(config or ()))
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
        known += ["base"] if target == "methods" and not pattern.endswith("~") else []
        known += rounds_of(config) if pattern in ROUNDS_TOO else []
        for keys, name in values_at(config, pattern):
            if name is not None and name not in known:
                yield keys, f"'{name}' is not among {target}.{suggest(name, known)}"
    for name, teacher in config["teachers"].items():
        if teacher["kind"] != "api" and teacher["model"] not in config["models"]:
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
    yield from _wrong_hardware(config)
    yield from _wrong_backend(config)
    yield from _wrong_losses(config)
    yield from _wrong_rewards(config)
    yield from _wrong_groups(config)
    yield from _wrong_scorers(config)
    yield from _wrong_duels(config)
    yield from _wrong_sweeps(config)
    yield from _wrong_rounds(config)
    yield from _wrong_prompts(config, root)
    yield from _wrong_hints(config)
    yield from _wrong_drops(config)
    yield from _missing_files(config, root)


def _wrong_hardware(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield batches that the processes cannot share, and what cannot be put together."""
    hardware = config["hardware"]
    passes, processes = hardware["micro_batch"], hardware["processes"]
    told = "hardware.micro_batch" + (" × hardware.processes" if processes > 1 else "")
    for keys, batch in values_at(config, "methods.*.batch_size"):
        if batch % (passes * processes):
            yield keys, f"expected a multiple of {told} ({passes * processes}), found {batch}"
    if processes % hardware["nodes"]:
        told = f"expected a divisor of hardware.processes ({processes}), found {hardware['nodes']}."
        yield ("hardware", "nodes"), f"{told} Fix: give every node as many processes."
    alone = [name for name, about in config["methods"].items() if about["learns_from"] == "prompts"]
    if alone and (processes > 1 or hardware["deepspeed"] != "none"):
        key = "processes" if processes > 1 else "deepspeed"
        told = f"'{alone[0]}' draws its own answers, in one process."
        yield ("hardware", key), f"{told} Fix: leave it out, or give it a study of its own."
    if hardware["quantisation"] != "none" and hardware["precision"] != "bfloat16":
        yield ("hardware", "precision"), "expected bfloat16 with 4-bit weights, which are computed in it."
    if hardware["quantisation"] != "none" and hardware["deepspeed"].startswith("zero3"):
        yield ("hardware", "deepspeed"), "4-bit weights cannot be shared out. Fix: set none or zero2."
    if hardware["deepspeed"] != "none" and (hardware["device"], hardware["precision"]) == ("cpu", "bfloat16"):
        yield ("hardware", "precision"), "expected float32 with DeepSpeed on a CPU."


def _wrong_backend(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield what vLLM cannot score with, where it is to score."""
    hardware = config["hardware"]
    kinds = [
        *values_at(config, "evaluation.backend.kind"),
        *values_at(config, "evaluation.noise_floor.backend.kind"),
    ]
    places = [keys[:-1] for keys, kind in kinds if kind == "vllm"]
    for place in places if hardware["quantisation"] != "none" else ():
        told = "vLLM would score adapters on other weights than they were trained on, those before 4 bits."
        yield place, f"{told} Fix: set {{kind: transformers}}, or quantisation none."
    if places and hardware["device"] == "cuda" and not hardware["vllm_memory_fraction"]:
        yield ("hardware", "vllm_memory_fraction"), "expected more than 0 for scoring by vLLM, found 0."


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
    tasks = config["evaluation"]["tasks"]
    asked = [
        (keys, name, ANSWERED[tasks[keys[2]]["metric"]])
        for keys, name in values_at(config, "evaluation.tasks.*.dataset")
    ]
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
    unasked = [name for name in used if TAKES[settings["strategy"][name]] == "Problem"]
    if unasked and not config["teachers"]:
        strategy = settings["strategy"][unasked[0]]
        yield (
            ("teachers",),
            f"nobody answers for strategy '{strategy}' of dataset '{unasked[0]}'. Fix: name one.",
        )
    for method, about in config["methods"].items():
        if about["learns_from"] == "pairs" and without:
            told = f"learns from pairs, and strategy 'passages' of dataset '{without[0]}' makes none."
            yield ("methods", method), f"'{method}' {told} Fix: leave the method out."


def _wrong_losses(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield losses that do not go with their ``label_smoothing``, and margins that no pair has."""
    for keys, noise in values_at(config, "methods.*.label_smoothing"):
        loss = config["methods"][keys[1]]["loss"]
        if (loss, noise > 0) in SMOOTHING:
            yield keys, f"loss '{loss}' with {noise}: {SMOOTHING[loss, noise > 0]}"
    for keys, counts in values_at(config, "methods.*.margin"):
        if counts and config["preferences"]["margin"] == "none":
            told = "preferences.margin is none, so no pair has a margin."
            yield keys, f"{told} Fix: say there what the margin is, or set this to false."


def _wrong_rewards(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield scorers that are no reward methods or held out and optimised, and checks without an answer."""
    models = rewards_among(config["methods"])
    strategies = config["preferences"]["strategy"]
    used = [name for name in config["train"]["datasets"] if name in strategies]
    unchecked = [name for name in used if TAKES[strategies[name]] != "Problem"]
    for method, about in config["methods"].items():
        held, rewards = about.get("held_out"), list(enumerate(about.get("rewards", ())))
        optimised = [(("rewards", i, "method"), r["method"]) for i, r in rewards if r["kind"] == "adapter"]
        for keys, name in [*optimised, *([(("held_out",), held)] if held else [])]:
            if name not in models:
                told = f"'{name}' is not a method that trains a reward model."
                yield ("methods", method, *keys), told + suggest(name, models or ["none"])
        if held in [name for _, name in optimised]:
            yield ("methods", method, "held_out"), f"'{held}' is optimised. Fix: name another, or null."
        if about.get("value") == "reward" and not optimised:
            told = "'reward' reads the first reward of kind adapter, and there is none."
            yield ("methods", method, "value"), f"{told} Fix: take another value."
        for i in [i for i, r in rewards if r["kind"] == "verifier" and unchecked]:
            told = f"the prompts of dataset '{unchecked[0]}' have no answer to check."
            yield ("methods", method, "rewards", i), f"{told} Fix: take another reward."
    hardware = config["hardware"]
    if (hardware["rollouts"], hardware["device"]) == ("vllm", "cuda") and not hardware[
        "rollout_memory_fraction"
    ]:
        yield ("hardware", "rollout_memory_fraction"), "expected more than 0 for rollouts by vLLM, found 0."


def _wrong_groups(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield batches that do not hold whole groups, and rollouts that TRL cannot take from vLLM."""
    for keys, size in values_at(config, "methods.*.group_size"):
        about, place = config["methods"][keys[1]], ("methods", keys[1], "batch_size")
        for name, part in (("group_size", size), ("epochs_per_batch", about["epochs_per_batch"])):
            if about["batch_size"] % part:
                yield place, f"expected a multiple of {name} ({part}), found {about['batch_size']}"
        if config["hardware"]["rollouts"] == "vllm":
            told = f"'{keys[1]}' draws its answers by transformers: TRL 1.16 takes vLLM up to 0.31."
            yield ("hardware", "rollouts"), f"{told} Fix: set transformers."


def _wrong_scorers(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield scorers that train no reward model, and tasks whose metric does not serve what they are for."""
    evaluation, models = config["evaluation"], rewards_among(config["methods"])
    for name, about in evaluation["scorers"].items():
        if about["kind"] == "adapter" and about["method"] not in models:
            told = f"'{about['method']}' is not a method that trains a reward model."
            yield (
                ("evaluation", "scorers", name, "method"),
                told + suggest(about["method"], models or ["none"]),
            )
    rewarded = [name for name, task in evaluation["tasks"].items() if task["metric"] == "reward"]
    for name in rewarded:
        task = ("evaluation", "tasks", name)
        if not evaluation["tasks"][name]["scorers"]:
            yield (*task, "scorers"), "nobody scores the answers. Fix: name a scorer."
        if evaluation["tasks"][name]["rewards"]:
            yield (*task, "rewards"), "no answer is right or wrong, so none can be ranked. Fix: set false."
    floor, sweeps = evaluation["noise_floor"], config["sweeps"]
    for keys, name in (
        (("study", "primary", "task"), config["study"]["primary"]["task"]),
        (("evaluation", "noise_floor", "task"), floor and floor["task"]),
        (("sweeps", "task"), sweeps and sweeps["task"]),
    ):
        if name in rewarded:
            yield keys, f"the answers to '{name}' are neither right nor wrong. Fix: name another task."
    if floor and floor["evaluation_batch"] == config["hardware"]["evaluation_batch"]:
        where = ("evaluation", "noise_floor", "evaluation_batch")
        yield where, "expected another number than hardware.evaluation_batch, found the same."


def _wrong_duels(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield a task whose answers are not in words, so that no judge can compare them."""
    tasks = config["evaluation"]["tasks"]
    for keys, name in values_at(config, "evaluation.judge.task"):
        if name in tasks and tasks[name]["max_new_tokens"] == 0:
            yield keys, f"'{name}' scores options and has no answers in words. Fix: name another task."


def _wrong_sweeps(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield a seed or a task that a sweep cannot use, and methods and settings that cannot be swept."""
    sweeps = config["sweeps"]
    if sweeps is None:
        return
    if sweeps["seed"] not in config["seeds"]:
        told = "trials start from adapters of their own seed."
        yield ("sweeps", "seed"), f"{sweeps['seed']} is not among seeds: {told} Fix: name one of them."
    tasks = config["evaluation"]["tasks"]
    dataset = tasks[sweeps["task"]]["dataset"] if sweeps["task"] in tasks else None
    if dataset in config["datasets"] and not _has_dev(config["datasets"][dataset]):
        told = f"dataset '{dataset}' of task '{sweeps['task']}' has no dev split."
        yield ("sweeps", "task"), f"{told} Fix: name another task, or give the dataset one."
    for method, grid in sweeps["methods"].items():
        for keys, text in _wrong_grid(config["methods"], method, grid):
            yield ("sweeps", "methods", method, *keys), text


def _has_dev(dataset: dict[str, Any]) -> bool:
    """Return whether any row of a dataset may enter its dev split."""
    return dataset["split"]["dev"] > 0 and any(s["into"] != "test" for s in dataset["sources"])


def _wrong_grid(
    methods: dict[str, Any], method: str, grid: dict[str, list[Any]]
) -> Iterator[tuple[Keys, str]]:
    """Yield what is wrong with the sweep of one method, at the keys below it."""
    if method not in methods:
        yield (), f"'{method}' is not among methods.{suggest(method, list(methods))}"
    elif family(method) == REWARD:
        yield (), "a reward model gives no answers to choose by. Fix: leave it out."
    else:
        known = sorted(methods[method].keys() - set(FIXED))
        for key in sorted(grid.keys() - set(known)):
            yield (key,), f"'{key}' is not a setting of '{method}' that can be swept.{suggest(key, known)}"
        if number_of(grid) > MOST_TRIALS:
            told = f"{number_of(grid)} trials, expected {MOST_TRIALS} at most."
            yield (), f"{told} Fix: list fewer values."


def _wrong_rounds(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield rounds of methods that nothing new could be learned by, and names that are taken."""
    strategies = config["preferences"]["strategy"]
    silent = [n for n in config["train"]["datasets"] if n in strategies and strategies[n] not in SPOKEN]
    prompted = [name for name, about in config["methods"].items() if about["learns_from"] == "prompts"]
    for method in config["rounds"]:
        if family(method) == REWARD:
            yield ("rounds", method), "a reward model gives no answers. Fix: leave it out."
        if method in prompted:
            told = f"'{method}' learns from prompts, which stay the same in every round."
            yield ("rounds", method), f"{told} Fix: leave it out."
        if silent:
            told = f"strategy '{strategies[silent[0]]}' of dataset '{silent[0]}' does not learn from samples."
            yield ("rounds", method), f"{told} Fix: use {' or '.join(SPOKEN)}, or no rounds."
    for name in rounds_of(config).keys() & config["methods"].keys():
        yield ("methods", name), f"a round has the name '{name}'. Fix: name the method otherwise."


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
        elif name is not None and (unseen := [w for w in MUST_SEE.get(may_see, ()) if w not in sees]):
            yield (
                keys,
                f"prompt '{name}' does not see the {' and the '.join(unseen)}. Fix: name one that does.",
            )


def _wrong_hints(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield settings that count votes, where some answers were given with the answer as a hint."""
    settings = config["preferences"]
    votes = settings["margin"] == "votes" or "votes" in settings["strategy"].values()
    if config["rationales"]["hint_failed"] is not None and votes:
        told = "hinted samples would vote, and preferences.strategy or preferences.margin counts votes."
        yield ("rationales", "hint_failed"), f"{told} Fix: set it to null."


def _wrong_drops(config: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield flags that only a judge gives, where none is asked for them, or not in every round."""
    for keys, flag in values_at(config, "rationales.drop.*"):
        if flag not in JUDGED:
            continue
        if not any(values_at(config, f"rationales.{JUDGED[flag]}")):
            yield keys, f"nobody gives the flag '{flag}'. Fix: set rationales.judge, or take it off the list."
        elif config["rounds"]:
            yield (
                keys,
                f"answers of rounds get no flag '{flag}'. Fix: take it off the list, or leave out rounds.",
            )


def _missing_files(config: dict[str, Any], root: Path) -> Iterator[tuple[Keys, str]]:
    tasks = sorted(f"{path.parent.name}/{path.stem}" for path in root.glob("workflow/tasks/*/*.yaml"))
    for keys, name in values_at(config, "evaluation.tasks.*.definition"):
        if name not in tasks:
            yield keys, f"there is no file workflow/tasks/{name}.yaml.{suggest(name, tasks)}"
    templates = sorted(path.stem for path in root.glob("config/templates/*.jinja"))
    for keys, name in values_at(config, "models.*.chat_template"):
        if name not in templates:
            yield keys, f"there is no file config/templates/{name}.jinja.{suggest(name, templates)}"
    for pattern in FOLDERS:
        for keys, path in values_at(config, pattern):
            if not Path(path).is_dir():
                yield keys, f"there is no folder '{path}'. Fix: correct the path."
