"""How much a job that computes with a model, or asks an API, has to do at most: requests and tokens by kind.

Counted from the study's settings and the rows of its data. Where the data are not there yet, a generated
dataset has the rows that it is asked for; those of any other are not known, and that is said.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow.lib.families import rewards_among
from workflow.lib.files import read_json
from workflow.lib.rounds import methods_of
from workflow.lib.trials import number_of

REPEATS = re.compile(
    r"^repeats: (\d+)$", re.MULTILINE
)  # of a task's YAML file, whose tags only lm-eval knows
OPTIONS = 2  # of a problem whose options are scored
TEXTS = {"sft": 1, "pairs": 2}  # in a row of each preference file
MOST = {"sft": "max_sft_per_problem", "pairs": "max_pairs_per_problem"}
PASSES = 3  # over every sampled answer before it is learned from: policy, reference and reward


class UnknownError(Exception):
    """What cannot be counted yet, with what it waits for."""


@dataclass(frozen=True)
class Work:
    """What one job does at most."""

    model: str = ""  # whose weights do it; none behind an API
    requests: float = 0  # to an API
    read: float = 0  # tokens of prompts, and of texts that are scored
    written: float = 0  # tokens of answers by vLLM or an API
    drawn: float = 0  # tokens of answers by transformers
    learned: float = 0  # tokens that a training passes through
    seconds: float = 0  # that the study itself sets
    adapters: int = 0  # that stay on disk


@dataclass(frozen=True)
class Sizes:
    """The sizes of a study."""

    study: Mapping[str, Any]
    prompt_tokens: float  # of a problem with its prompt
    results: Path  # folder of the cards of data
    root: Path  # the repository, where task definitions lie
    known: dict[Path, Any] = field(default_factory=dict)  # cards and manifests that were read

    def read(self, path: Path) -> Any:
        """Return what the JSON file at ``path`` holds; ``None`` while it is not there."""
        if path not in self.known and path.is_file():
            self.known[path] = read_json(path)
        return self.known.get(path)

    def rows(self, dataset: str, *splits: str) -> float:
        """Return the rows of some splits of a dataset: by its card, or as generators are asked for them."""
        card = self.results / f"data/{dataset}/card.json"
        if about := self.read(card):
            return float(sum(about["rows"][split] for split in splits))
        settings = self.study["datasets"][dataset]
        if any(source["kind"] != "generator" for source in settings["sources"]):
            raise UnknownError(f"the rows of dataset '{dataset}', until `snakemake {card}` has counted them")
        held = settings["split"]
        shares = {"train": 1 - held["dev"] - held["test"], "dev": held["dev"], "test": held["test"]}
        into = {"all": shares, "train": {**shares, "train": 1 - held["dev"], "test": 0}, "test": {"test": 1}}
        parts = [(source["size"], into[source["into"]]) for source in settings["sources"]]
        return float(sum(size * of.get(split, 0) for size, of in parts for split in splits))

    def learned_rows(self, dataset: str, file: str) -> float:
        """Return the rows of a preference file: of its card, or as many as the study allows."""
        card = self.results / f"preferences/{dataset}/card.json"
        if about := self.read(card):
            return float(about["rows_per_split"][file]["train"])
        most = self.study["preferences"][MOST[file]] if file in MOST else 1
        return self.rows(dataset, "train") * most

    def repeats(self, task: Mapping[str, Any]) -> int:
        """Return how many answers a task asks to each problem."""
        path = self.root / f"workflow/tasks/{task['definition']}.yaml"
        found = REPEATS.search(path.read_text(encoding="utf-8"))
        return int(found[1]) if found else 1

    def asked(self, teacher: Mapping[str, Any], answers: float, extra: float = 0) -> Work:
        """Return the work of a teacher that gives so many ``answers`` to prompts with ``extra`` tokens."""
        read, written = answers * (self.prompt_tokens + extra), answers * teacher["max_tokens"]
        if teacher["kind"] == "api":
            return Work(requests=answers, read=read, written=written)
        return Work(model=teacher["model"], read=read, written=written)

    def scored(self, model: str, task: Mapping[str, Any], problems: float) -> Work:
        """Return the work of answering so many ``problems`` of a task with the policies of ``model``."""
        answers = problems * self.repeats(task)
        if not task["max_new_tokens"]:
            return Work(model=model, read=answers * OPTIONS * self.prompt_tokens)
        said, fast = answers * task["max_new_tokens"], self.study["evaluation"]["backend"]["kind"] == "vllm"
        return Work(
            model, read=answers * self.prompt_tokens, written=said if fast else 0, drawn=0 if fast else said
        )

    def policies(self) -> int:
        """Return how many trained policies answer, over all seeds."""
        methods = methods_of(self.study)
        return (len(methods) - len(rewards_among(methods))) * len(self.study["seeds"])


def tournament(sizes: Sizes, w: Any) -> Work:
    """Return the work of one teacher with one prompt."""
    teacher = sizes.study["teachers"][w.teacher]
    return sizes.asked(teacher, sizes.study["prompts"]["slice"] * teacher["samples"])


def shard(sizes: Sizes, w: Any) -> Work:
    """Return the work of one teacher on one shard."""
    teacher = sizes.study["teachers"][w.teacher]
    return sizes.asked(teacher, _in_shard(sizes, w, "train", "dev") * teacher["samples"])


def hinted_shard(sizes: Sizes, w: Any) -> Work:
    """Return the work of one teacher that is asked again whatever failed."""
    teacher = sizes.study["teachers"][w.teacher]
    return sizes.asked(teacher, _in_shard(sizes, w, "train") * teacher["samples"])


def judged_shard(sizes: Sizes, w: Any) -> Work:
    """Return the work of a judge on one shard: each rationale, and pairs of them in both orders."""
    teachers, judge = sizes.study["teachers"], sizes.study["rationales"]["judge"]
    judged = teachers.values() if judge["by"] else [teachers[w.teacher]]
    pairs = judge["compare"]["pairs"] if judge["compare"] else 0
    replies = _in_shard(sizes, w, "train", "dev") * (sum(t["samples"] for t in judged) + 2 * pairs)
    return sizes.asked(teachers[w.teacher], replies, extra=max(t["max_tokens"] for t in teachers.values()))


def judged_answers(sizes: Sizes, w: Any) -> Work:
    """Return the work of a judge of held-out answers, each against the base's in both orders."""
    judge, task = sizes.study["evaluation"]["judge"], sizes.study["evaluation"]["tasks"][w.task]
    replies = judge["problems"] * sizes.repeats(task) * sizes.policies() * 2
    return sizes.asked(sizes.study["teachers"][w.teacher], replies, extra=2 * task["max_new_tokens"])


def round_shard(sizes: Sizes, w: Any) -> Work:
    """Return the work of an adapter that answers in a round."""
    sampled = {"kind": "adapter", "model": w.model, **sizes.study["rounds"][w.method]}
    return sizes.asked(sampled, _in_shard(sizes, w, "train", "dev") * sampled["samples"])


def _in_shard(sizes: Sizes, w: Any, *splits: str) -> float:
    return sizes.rows(w.dataset, *splits) / int(sizes.study["rationales"]["shards"])


def training(sizes: Sizes, w: Any) -> Work:
    """Return the work of one training: what its budget allows, or its epochs or updates."""
    settings, train = methods_of(sizes.study)[w.method], sizes.study["train"]
    texts = TEXTS.get(settings["learns_from"], 1)
    if budget := train["budget"]:
        length = {"max_length": sizes.prompt_tokens, **settings}["max_length"]
        return Work(
            w.model, adapters=1, **BUDGETS[budget["unit"]](budget["amount"], texts * length, settings)
        )
    if settings["learns_from"] == "prompts":
        return _reinforced(sizes, w, settings)
    rows = sizes.learned_rows(w.dataset, settings["learns_from"])
    share = {w.method: 1.0, **train["shares"]}[w.method]
    tokens = rows * share * texts * settings["max_length"]
    reference = tokens if texts > 1 else 0
    return Work(w.model, read=reference, learned=tokens * settings["epochs"], adapters=1)


def _reinforced(sizes: Sizes, w: Any, settings: Mapping[str, Any]) -> Work:
    """Return the work of a training that draws its own answers."""
    if "updates" in settings:
        answers = settings["updates"] * settings["batch_size"]
    else:
        answers = sizes.learned_rows(w.dataset, "prompts") * settings["epochs"] * settings["group_size"]
    whole = answers * (sizes.prompt_tokens + settings["max_new_tokens"])
    said = answers * settings["max_new_tokens"]
    fast = sizes.study["hardware"]["rollouts"] == "vllm"
    return Work(
        w.model,
        read=whole * PASSES,
        written=said if fast else 0,
        drawn=0 if fast else said,
        learned=whole * settings["epochs_per_batch"],
        adapters=1,
    )


# Unit of a budget → the work that it allows, from its amount, the tokens of a row and the method's settings.
BUDGETS: dict[str, Callable[[float, float, Mapping[str, Any]], dict[str, Any]]] = {
    "tokens": lambda amount, row, settings: {"learned": amount},
    "steps": lambda amount, row, settings: {"learned": amount * settings["batch_size"] * row},
    "pairs": lambda amount, row, settings: {"learned": amount * row},
    "seconds": lambda amount, row, settings: {"seconds": amount},
}


def evaluation(sizes: Sizes, w: Any) -> Work:
    """Return the work of scoring the base, once per seed, and every policy on one task."""
    task = sizes.study["evaluation"]["tasks"][w.task]
    policies = sizes.policies() + len(sizes.study["seeds"])
    return sizes.scored(w.model, task, sizes.rows(task["dataset"], "test") * policies)


def trials(sizes: Sizes, w: Any) -> Work:
    """Return the work of scoring every trial of one sweep."""
    sweeps = sizes.study["sweeps"]
    task = sizes.study["evaluation"]["tasks"][w.task]
    return sizes.scored(w.model, task, sweeps["problems"] * number_of(sweeps["methods"][w.method]))


def ranking(sizes: Sizes, w: Any) -> Work:
    """Return the work of a reward model that ranks the base's answers."""
    return Work(model=w.model, read=_answers(sizes, w))


def scoring(sizes: Sizes, w: Any) -> Work:
    """Return the work of all scorers of a task, and of the divergence: by policy and by base."""
    task = sizes.study["evaluation"]["tasks"][w.task]
    policies = sizes.policies() + len(sizes.study["seeds"])
    return Work(model=w.model, read=_answers(sizes, w) * policies * (len(task["scorers"]) + 2))


def _answers(sizes: Sizes, w: Any) -> float:
    """Return the tokens of one policy's answers to a task, with their prompts."""
    task = sizes.study["evaluation"]["tasks"][w.task]
    answers = sizes.rows(task["dataset"], "test") * sizes.repeats(task)
    return answers * (sizes.prompt_tokens + float(task["max_new_tokens"]))


def merging(sizes: Sizes, w: Any) -> Work:
    """Return the work of merging an adapter, which is reading and writing files."""
    return Work(model=w.model)


WORKLOADS: dict[str, Callable[[Sizes, Any], Work]] = {
    "compare_prompts": tournament,
    "ask_prompts": tournament,
    "sample_rationales": shard,
    "ask_teacher": shard,
    "hint_failed": hinted_shard,
    "judge_rationales": judged_shard,
    "ask_judge": judged_shard,
    "sample_round": round_shard,
    "hint_round": round_shard,
    "train": training,
    "try_settings": training,
    "evaluate": evaluation,
    "evaluate_again": evaluation,
    "score_trials": trials,
    "evaluate_rewards": ranking,
    "score_answers": scoring,
    "judge_answers": judged_answers,
    "ask_judge_of_answers": judged_answers,
    "merge_adapter": merging,
}
