"""Every policy scored on one task: gates before, records after, and a store so that nothing is scored twice.

A policy is the base or an adapter of one method and seed. What it scores depends on contents only
(weights, task, data, prompt, settings, code, versions), so results are kept under a digest of those.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from workflow.lib.agreement import Agreement, Spot, compare, greedy, spot_of, spread
from workflow.lib.backends import BACKENDS, Backend, versions_of
from workflow.lib.errors import DataError, PlumblineError
from workflow.lib.files import digest_of, read_json, sha256, write_json
from workflow.lib.given import asking
from workflow.lib.harness import Task, build, on_rows, read_task, run
from workflow.lib.lora import SETTINGS, WEIGHTS
from workflow.lib.models import context_of, load_tokenizer
from workflow.lib.parquet import write_parquet
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Passage, Problem, Sample, load, table
from workflow.lib.scoring import Prompts, check_tokens, count_cut, documents, prompts_of, samples_of

BASE = "base"
REFERENCE = "transformers"  # the backend that others are compared with


def load_problems(path: Path) -> list[Problem]:
    """Return the problems in a file."""
    return load(path, Problem)


def load_passages(path: Path) -> list[Problem]:
    """Return the passages in a file as their first tokens to go on from, which nothing answers right."""
    return [asking(passage, passage.prompt) for passage in load(path, Passage)]


READERS: Mapping[str, Callable[[Path], list[Problem]]] = {"accuracy": load_problems, "reward": load_passages}


@dataclass(frozen=True)
class TaskSettings:
    """What of the config's settings of a task decides how it is asked."""

    metric: str  # key of ``READERS``
    max_new_tokens: int


@dataclass(frozen=True)
class Policy:
    """What is scored: a method and seed, with the adapter's folder unless it is the base."""

    method: str
    seed: int
    adapter: Path | None


@dataclass(frozen=True)
class Job:
    """One task asked of every policy on one base model: contents, not places, make its identity."""

    dataset: str  # that the adapters were trained on
    model: str
    task: str
    settings: TaskSettings
    seed: int
    backend: Mapping[str, Any]  # the config's
    hardware: Mapping[str, Any]
    problems: Path
    definition: Sequence[Path]  # the YAML first
    prompt: Path
    manifest: Path
    snapshot: Path
    code: str  # digest of the code that scores

    def asked(self) -> list[Problem]:
        """Return the problems, or the passages as problems."""
        return READERS[self.settings.metric](self.problems)


@dataclass(frozen=True)
class Scored:
    """What one policy scored: the harness's result, our records without method and seed, and the probes."""

    result: dict[str, Any]
    samples: list[Sample]
    probes: dict[str, Any]


def policies_of(methods: Sequence[str], seeds: Sequence[int], adapters: Sequence[str]) -> list[Policy]:
    """Return the policies in the order method × seed, matched with the files of their adapters."""
    folders = list(dict.fromkeys(Path(file).parent for file in adapters))
    trained = [(method, seed) for method in methods if method != BASE for seed in seeds]
    if len(folders) != len(trained):
        raise DataError(f"adapters: expected {len(trained)} folders, found {len(folders)}")
    folder_of = dict(zip(trained, folders, strict=True))
    return [
        Policy(method, seed, folder_of[method, seed] if method != BASE else None)
        for method in methods
        for seed in seeds
    ]


def generation_seed(job: Job, task: Task, policy: Policy) -> int:
    """Return the seed of the random draws: one per seed of the study, shared by all methods.

    A task without draws has one seed for all, so that the base is scored on it once.
    """
    return int(digest_of([job.seed, policy.seed])[:7], 16) if task.sampled else job.seed


def identity(job: Job, task: Task, policy: Policy) -> dict[str, Any]:
    """Return everything that decides a policy's score, by content (rule W8)."""
    adapter, decides = policy.adapter, BACKENDS[job.backend["kind"]].decides
    return {
        "adapter": {name: sha256(adapter / name) for name in (WEIGHTS, SETTINGS)} if adapter else None,
        "backend": dict(job.backend),
        "base": read_json(job.manifest)["digest"],
        "code": job.code,
        "data": sha256(job.problems),
        "definition": {path.name: sha256(path) for path in job.definition},
        "hardware": {key: job.hardware[key] for key in decides},
        "limit": None,
        "max_new_tokens": job.settings.max_new_tokens,
        "prompt": sha256(job.prompt),
        "seed": generation_seed(job, task, policy),
        "versions": versions_of(job.backend["kind"]),
    }


@dataclass(frozen=True)
class Asked:
    """Problems in the form of a task, and what is told of them all."""

    task: Task
    built: Any  # the harness's task object
    prompts: Prompts
    probes: dict[str, Any]
    about: dict[str, str]  # of the records

    def answers(self, backend: Backend, key: str | None, seed: int) -> tuple[dict[str, Any], list[Sample]]:
        """Return the result and the records of one policy."""
        with backend.answering(key, seed):
            result, logged = run(backend.lm, self.built, chat=self.task.chat, seed=seed)
        return result, samples_of(logged, self.prompts, backend.lm, self.task, self.about)


def asked_of(job: Job, task: Task, backend: Backend, problems: Sequence[Problem], folder: str) -> Asked:
    """Return ``problems`` in the form of ``task`` after the gates on their prompts; rows go to ``folder``."""
    built = build(on_rows(task, documents(problems, PromptFile(job.prompt)), folder))
    prompts = prompts_of(built, backend.lm.tokenizer, problems, chat=task.chat)
    probes = check_tokens(backend.lm, prompts, chat=task.chat)
    reads = backend.reads(generates=task.generates)
    probes["cut"] = count_cut(backend.lm, task, built, prompts, job.settings.max_new_tokens, reads)
    about = {"dataset": job.dataset, "model": job.model, "task": job.task}
    return Asked(task, built, prompts, probes, about)


def start(kind: str, job: Job, task: Task, policies: Mapping[str, Policy]) -> Backend:
    """Return the backend of that kind with the adapters of ``policies``."""
    adapters = {key: policy.adapter for key, policy in policies.items() if policy.adapter}
    tokenizer = load_tokenizer(job.snapshot)
    return BACKENDS[kind](
        job.snapshot, job.manifest, job.model, adapters, tokenizer, job.hardware, chat=task.chat
    )


def spots(
    job: Job, task: Task, backend: Backend, policies: Mapping[str, Policy], told: Mapping[str, Spot] | None
) -> dict[str, Spot]:
    """Return what a backend says of the problems of the spot check, by policy; see ``spot_of``."""
    once, found = greedy(task), {}
    problems = spread(job.asked(), job.backend["agreement"]["problems"])
    with TemporaryDirectory() as folder:
        asked = asked_of(job, once, backend, problems, folder)
        for key, policy in policies.items():
            name = key if policy.adapter else None
            _, samples = asked.answers(backend, name, job.seed)
            with backend.answering(name, job.seed):
                reads = min(job.hardware["max_model_len"], context_of(job.snapshot)) - 2
                found[key] = spot_of(
                    samples, asked.prompts.seen, backend.lm, told[key] if told else None, reads
                )
    return found


def checked_backend(
    job: Job, task: Task, policies: Mapping[str, Policy]
) -> tuple[Backend, dict[str, dict[str, Any]]]:
    """Return the backend that the config asks for, and how far it agrees with transformers, by policy.

    The weights are in memory once at a time: transformers has answered when vLLM starts.
    """
    kind = job.backend["kind"]
    if kind == REFERENCE:
        return start(kind, job, task, policies), {}
    first = spots(job, task, start(REFERENCE, job, task, policies), policies, None)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    backend = start(kind, job, task, policies)
    second = spots(job, task, backend, policies, first)
    limits = Agreement(**job.backend["agreement"])
    names = {key: f"task '{job.task}', {p.method}, seed {p.seed}" for key, p in policies.items()}
    return backend, {key: compare(first[key], second[key], limits, names[key]) for key in policies}


def score(job: Job, task: Task, policies: Mapping[str, Policy]) -> Iterator[tuple[str, Scored]]:
    """Score ``policies`` one after another on one base in memory; yield each under its key."""
    backend, agreed = checked_backend(job, task, policies)
    with TemporaryDirectory() as folder:
        asked = asked_of(job, task, backend, job.asked(), folder)
        probe = backend.lm.tok_encode(next(iter(asked.prompts.seen.values())))
        for key, policy in policies.items():
            name = key if policy.adapter else None
            change = backend.change(name, probe) if name else 0.0
            result, samples = asked.answers(backend, name, generation_seed(job, task, policy))
            result["config"] |= {"model": job.backend["kind"], "device": job.hardware["device"]}
            probes = {**asked.probes, "logit_change": change}
            yield key, Scored(result, samples, probes | ({"agreement": agreed[key]} if agreed else {}))


class Store:
    """Results by the digest of what they depend on, in an undeclared folder that may vanish at any time."""

    def __init__(self, root: str | Path) -> None:
        """Keep the entries under ``root``."""
        self.root = Path(root)

    def get(self, key: str) -> Scored | None:
        """Return the entry of ``key``; a broken one is reported and counts as absent."""
        folder = self.root / key
        if not (folder / "result.json").exists():
            return None
        try:
            kept = read_json(folder / "result.json")
            samples = load(folder / "samples.parquet", Sample)
            return Scored(kept["result"], samples, kept["probes"])
        except (PlumblineError, KeyError, TypeError) as error:
            print(f"store: {folder} is broken and is not used: {error}", flush=True)
            return None

    def put(self, key: str, scored: Scored) -> None:
        """Keep ``scored``; the file that makes an entry valid is written last."""
        folder = self.root / key
        (folder / "result.json").unlink(missing_ok=True)
        write_parquet(folder / "samples.parquet", table(scored.samples, Sample))
        write_json(folder / "result.json", {"result": scored.result, "probes": scored.probes})


def score_all(job: Job, policies: Sequence[Policy], store: Store) -> list[tuple[dict[str, Any], Scored]]:
    """Return identity and scores of every policy, scoring only what the store does not hold.

    The base is not told apart by seed where nothing is drawn, so it is scored once.
    """
    task = read_task(job.definition[0], job.settings.max_new_tokens)
    identities = [identity(job, task, policy) for policy in policies]
    keys = [digest_of([i, job.dataset, job.model, job.task]) for i in identities]
    found = {key: scored for key in keys if (scored := store.get(key))}
    missing = {key: policy for key, policy in zip(keys, policies, strict=True) if key not in found}
    print(f"{len(policies)} policies: {len(found)} results kept, {len(missing)} to score", flush=True)
    if missing:
        for key, scored in score(job, task, missing):
            store.put(key, scored)
            found[key] = scored
    return [(i, found[key]) for i, key in zip(identities, keys, strict=True)]


def write_scored(
    about: Mapping[str, Any], scored: Scored, policy: Policy, *, scores: str | Path, samples: str | Path
) -> None:
    """Write one policy's result in the harness's layout with its identity, and its records."""
    records = [replace(sample, method=policy.method, seed=policy.seed) for sample in scored.samples]
    first = records[0]
    names = {"dataset": first.dataset, "model": first.model, "task": first.task}
    plumbline = {
        **names,
        **about,
        "method": policy.method,
        "policy_seed": policy.seed,
        "n": len({record.problem_id for record in records}),
        "rows": len(records),
        "probes": scored.probes,
    }
    write_parquet(
        samples, table(records, Sample), note=asdict(policy) | {"adapter": about["adapter"]} | names
    )
    write_json(scores, {**scored.result, "plumbline": plumbline})
