"""Every policy scored on one task: gates before, records after, and a store so that nothing is scored twice.

A policy is the base or an adapter of one method and seed. What it scores depends on contents only
(weights, task, data, prompt, settings, code, versions), so results are kept under a digest of those.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from workflow.lib.errors import DataError, PlumblineError
from workflow.lib.files import digest_of, read_json, sha256, write_json
from workflow.lib.given import asking
from workflow.lib.harness import Task, build, language_model, on_rows, read_task, run
from workflow.lib.lora import SETTINGS, WEIGHTS
from workflow.lib.models import load_base, load_tokenizer
from workflow.lib.parquet import write_parquet
from workflow.lib.policies import active, load_policies, logit_change
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Passage, Problem, Sample, load, table
from workflow.lib.scoring import check_tokens, count_cut, documents, prompts_of, samples_of

BASE = "base"
HARDWARE = ("device", "precision", "quantisation", "attention", "evaluation_batch")  # what can move a score
PACKAGES = ("lm_eval", "peft", "tokenizers", "torch", "transformers")


def load_problems(path: Path) -> list[Problem]:
    """Return the problems in a file."""
    return load(path, Problem)


def load_passages(path: Path) -> list[Problem]:
    """Return the passages in a file as their first tokens to go on from, which nothing answers right."""
    return [asking(passage, passage.prompt) for passage in load(path, Passage)]


ASKED: Mapping[str, Callable[[Path], list[Problem]]] = {"accuracy": load_problems, "reward": load_passages}


@dataclass(frozen=True)
class TaskSettings:
    """What of the config's settings of a task decides how it is asked."""

    metric: str  # key of ``ASKED``
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
    hardware: Mapping[str, Any]
    problems: Path
    definition: Sequence[Path]  # the YAML first
    prompt: Path
    manifest: Path
    snapshot: Path
    code: str  # digest of the code that scores


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
    adapter = policy.adapter
    return {
        "adapter": {name: sha256(adapter / name) for name in (WEIGHTS, SETTINGS)} if adapter else None,
        "base": read_json(job.manifest)["digest"],
        "code": job.code,
        "data": sha256(job.problems),
        "definition": {path.name: sha256(path) for path in job.definition},
        "hardware": {key: job.hardware[key] for key in HARDWARE},
        "limit": None,
        "max_new_tokens": job.settings.max_new_tokens,
        "prompt": sha256(job.prompt),
        "seed": generation_seed(job, task, policy),
        "versions": {package: version(package) for package in PACKAGES},
    }


def score(job: Job, task: Task, policies: Mapping[str, Policy]) -> Iterator[tuple[str, Scored]]:
    """Score ``policies`` one after another on one base in memory; yield each under its key."""
    tokenizer = load_tokenizer(job.snapshot)
    names = {key: f"p{i}" for i, (key, policy) in enumerate(policies.items()) if policy.adapter}
    adapters = {names[key]: policy.adapter for key, policy in policies.items() if policy.adapter}
    model = load_policies(load_base(job.snapshot, job.hardware), adapters, model=job.model)
    lm = language_model(model, tokenizer, chat=task.chat, batch=job.hardware["evaluation_batch"])
    about = {"dataset": job.dataset, "model": job.model, "task": job.task}
    problems = ASKED[job.settings.metric](job.problems)
    rows = documents(problems, PromptFile(job.prompt))
    with TemporaryDirectory() as folder:
        config = on_rows(task, rows, folder)
        built = build(config)
        prompts = prompts_of(built, tokenizer, problems, chat=task.chat)
        probes = check_tokens(lm, prompts, chat=task.chat)
        probes["cut"] = count_cut(lm, task, built, prompts, job.settings.max_new_tokens)
        probe = lm.tok_encode(next(iter(prompts.seen.values())))
        for key, policy in policies.items():
            name = names[key] if policy.adapter else None
            change = logit_change(model, name, probe) if name else 0.0
            with active(model, name):
                result, logged = run(lm, config, chat=task.chat, seed=generation_seed(job, task, policy))
            samples = samples_of(logged, prompts, lm, task, about)
            yield key, Scored(result, samples, {**probes, "logit_change": change})


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
