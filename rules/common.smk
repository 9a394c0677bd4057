"""The checked configuration of the study, and the helpers that rules share."""

import atexit
import gc
import os
import sys
from contextlib import chdir
from itertools import product
from pathlib import Path

from workflow.lib.config import load_schema, study_problems
from workflow.lib.earlier import read_earlier
from workflow.lib.estimates import Estimator
from workflow.lib.families import family, rewards_among
from workflow.lib.fingerprints import fingerprint
from workflow.lib.logs import redact
from workflow.lib.lora import SETTINGS, WEIGHTS
from workflow.lib.plan import plan_summary, read_expected, read_presets
from workflow.lib.reasons import note
from workflow.lib.rounds import methods_of, rounds_of
from workflow.lib.trials import number_of
from workflow.lib.workloads import Sizes

HERE = Path.cwd()  # of the study's results; Snakemake has left it when it ends
ROOT = Path(str(workflow.current_basedir.join("..").get_path_or_uri(secret_free=True))).resolve()
PRESETS = read_presets(ROOT / "config/expected/presets.yaml")
OFFLINE = "HF_HUB_OFFLINE" in os.environ  # by the user's wish

# What a large study's graph is made of lives to the end: looking for garbage in it again and again costs a sixth.
gc.set_threshold(100_000, 20, 100)

if workflow.modifier.path_modifier.replace_prefix("results") != "results":
    print("ERROR module: no prefix of paths. Fix: give it a working directory of its own.", file=sys.stderr)
    sys.exit(2)

# A study file replaces the flagship study; it is never merged into it.
if not workflow.overwrite_configfiles:

    configfile: ROOT / "config/config.yaml"


for variable, value in {
    "HF_HUB_OFFLINE": "1",  # only the rules fetch_* go to the hub
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRL_EXPERIMENTAL_SILENCE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads of two jobs on two cores cost a factor of 8,
    "GOMP_SPINCOUNT": "1000",  # but a few microseconds of it save a fifth where a job is alone
}.items():
    os.environ.setdefault(variable, value)

# With `--sdm conda apptainer` jobs run in this image, in which the environments are (docs/cluster.md).
if image := os.environ.get("PLUMBLINE_IMAGE"):

    containerized: image


if problems := study_problems(
    config,
    load_schema(ROOT / "config/schemas/config.schema.yaml"),
    workflow.configfiles,
    ROOT,
):
    told = (redact(f"ERROR config: {line}", os.environ) for line in problems[:20])  # a key, by mistake
    print(*told, sep="\n", file=sys.stderr)
    sys.exit(2)


def estimator_of_study():
    """Return what judges jobs that compute with models or ask APIs."""
    sizes = Sizes(config, PRESETS["prompt_tokens"], Path("results"), ROOT)
    return Estimator(sizes, PRESETS, read_earlier(Path("results")))


def tell_plan():
    """End a dry run with what it would cost."""
    if workflow.dryrun:
        with chdir(HERE):
            expected = read_expected(ROOT / "config/expected/cpu.csv")
            print(plan_summary(workflow.dag, expected, estimator_of_study()), file=sys.stderr)


def tell_checks():
    """End `snakemake check` with what was found; after a problem Snakemake shows the log itself."""
    logs = [str(job.log[0]) for job in workflow.dag.jobs if job.rule.name == "check"]
    print(*(Path(log).read_text() for log in logs), sep="", end="", file=sys.stderr)


if workflow.modifier.rule_whitelist is None:  # once, also where another workflow uses single rules again
    atexit.register(tell_plan)


onstart:
    note(workflow.dag)


def kinds(section, *wanted):
    """Return the names in a section whose kind, or whose sources' kind, is among ``wanted``."""
    entries = {k: v["sources"][0] if "sources" in v else v for k, v in config[section].items()}
    return [name for name, entry in entries.items() if entry["kind"] in wanted]


def taught_by(*strategies):
    """Return the datasets whose preferences are made by one of ``strategies``."""
    return [name for name, found in config["preferences"]["strategy"].items() if found in strategies]


def one_of(names):
    """Return a wildcard constraint that matches exactly ``names``, or nothing where there are none."""
    return "|".join(re.escape(str(name)) for name in names) or "(?!)"


def part(path):
    """Return the path of a file of this repository, relative so that it survives a move of both; in no storage."""
    return local(os.path.relpath(ROOT / path))


def scoring_environment(backend):
    """Return the environment in which a backend of the evaluation runs."""
    return {"transformers": "../envs/evaluate.yaml", "vllm": VLLM_ENVIRONMENT}[backend["kind"]]


SPLITS = ["train", "dev", "test"]
ADAPTER_FILES = [WEIGHTS, SETTINGS]
FIGURES = [
    "accuracy",
    "deltas",
    "categories",
    "rewards",
    "frontier",
    "reliability",
    "selective",
    "lengths",
    "efficiency",
    "scaling",
    "sweeps",
    "curves",
    "costs",
    "funnel",
    "timeline",
]
JOB_TABLES = ["timeline", "resources"]  # on the jobs that made all others
OTHER_TABLES = [
    *[figure for figure in FIGURES if figure not in JOB_TABLES],
    "subsets",
    "pairs",
    "ranks",
    "category_deltas",
    "calibration",
    "baselines",
    "noise",
    "wins",
]
TABLES = [*OTHER_TABLES, *JOB_TABLES]
SEEDS = config["seeds"]
SHARED = {key: config["train"][key] for key in ("budget", "reference_logps", "trackers")}
SHARDS = range(config["rationales"]["shards"])
TEACHERS = list(config["teachers"])
VLLM_TEACHERS = kinds("teachers", "vllm", "adapter")
ADAPTER_TEACHERS = kinds("teachers", "adapter")
API_TEACHERS = kinds("teachers", "api")
HINTED_TEACHERS = VLLM_TEACHERS if config["rationales"]["hint_failed"] else []
HINTED_SHARDS = SHARDS if config["rationales"]["hint_failed"] else []
JUDGE = config["rationales"]["judge"]
JUDGES = [] if JUDGE is None else TEACHERS if JUDGE["by"] is None else [JUDGE["by"]]
ANSWER_JUDGE = config["evaluation"]["judge"]
ANSWER_JUDGES = [ANSWER_JUDGE["by"]] if ANSWER_JUDGE else []
CANDIDATE_PROMPTS = sorted({*config["prompts"]["candidates"], *config["prompts"]["pinned"].values()})
METHODS = methods_of(config)  # those of the config, and their rounds
ROUNDS = rounds_of(config)
SHARES = {**dict.fromkeys(METHODS, 1.0), **config["train"]["shares"]}
REWARD_MODELS = rewards_among(METHODS)
TRAINED_POLICIES = [method for method in METHODS if method not in REWARD_MODELS]
POLICIES = ["base", *TRAINED_POLICIES]
GRIDS = config["sweeps"]["methods"] if config["sweeps"] else {}
SWEEP = {key: value for key, value in (config["sweeps"] or {}).items() if key != "methods"}
TRIALS = range(max(map(number_of, GRIDS.values()), default=0))
GENERATED_DATASETS = kinds("datasets", "generator")
FETCHED_DATASETS = kinds("datasets", "hub", "local")
SAMPLED_DATASETS = taught_by("right_vs_wrong", "gold_vs_wrong", "votes")
PAIRED_DATASETS = taught_by("given")
PASSAGE_DATASETS = taught_by("passages")
TASKS = config["evaluation"]["tasks"]
TESTED_DATASETS = sorted({task["dataset"] for task in TASKS.values()})
JUDGED_DATASETS = sorted({task["dataset"] for task in TASKS.values() if task["metric"] == "accuracy"})
SCRATCH_MODELS = kinds("models", "scratch")
FETCHED_MODELS = kinds("models", "hub", "local")
# A job runs again where a setting changes that it has. So none has what only others read: another batch of the
# evaluation trains nothing, another batch of the training asks no teacher.
ENGINE_HARDWARE = {
    key: config["hardware"][key]
    for key in [
        "device",
        "precision",
        "max_model_len",
        "vllm_memory_fraction",
        "vllm_kv_cache_mib",
        "vllm_tensor_parallel",
    ]
}
TRAINING_HARDWARE = {key: value for key, value in config["hardware"].items() if key != "evaluation_batch"}
ASKED = {task: {"dataset": settings["dataset"]} for task, settings in TASKS.items()}
GPUS = int(config["hardware"]["device"] == "cuda")
NODES = config["hardware"]["nodes"]
TRAINING_CORES = config["hardware"]["processes"] // NODES  # on each node
TRAINING_GPUS = GPUS * config["hardware"]["processes"]
VLLM_ENVIRONMENT = f"../envs/{'vllm' if GPUS else 'vllm-cpu'}.yaml"  # vLLM is built for one of the two
# For the SLURM plugin: one task a node, which the training starts itself (what it calls MPI).
SPREAD = {"nodes": NODES, "mpi": "srun", "tasks": NODES, "tasks_per_gpu": 0} if NODES > 1 else {}
SPREAD |= {"slurm_extra": f"--gpus-per-node={TRAINING_CORES}"} if NODES > 1 and GPUS else {}


wildcard_constraints:
    dataset=one_of(config["datasets"]),
    model=one_of(config["models"]),
    method=one_of(["base", *METHODS]),
    round=one_of(sorted({one.number for one in ROUNDS.values()})),
    seed=one_of(SEEDS),
    trial=one_of(TRIALS),
    teacher=one_of(TEACHERS),
    prompt=one_of(CANDIDATE_PROMPTS),
    task=one_of(TASKS),
    shard=one_of(SHARDS),
    split=one_of(SPLITS),
    figure=one_of(FIGURES),


SAMPLED_TRAINED = [name for name in config["train"]["datasets"] if name in SAMPLED_DATASETS]
TRAINED = list(product(config["train"]["datasets"], config["train"]["models"]))
RUNS = [
    f"results/adapters/{dataset}/{model}/{method}/seed-{seed}"
    for (dataset, model), method, seed in product(TRAINED, METHODS, SEEDS)
]
SWEEPS = [
    (f"results/sweeps/{dataset}/{model}/{method}", method)
    for (dataset, model), method in product(TRAINED, GRIDS)
]
CHOICES = [f"{folder}/choice.json" for folder, _ in SWEEPS]
TRIALS_OF_STUDY = [
    f"{folder}/trial-{trial}/seed-{SWEEP['seed']}"
    for folder, method in SWEEPS
    for trial in range(number_of(GRIDS[method]))
]
EVALUATIONS = [
    f"results/evaluation/{dataset}/{model}/index/{task}.json"
    for (dataset, model), task in product(TRAINED, TASKS)
]
ROUND_FOLDERS = [
    f"results/rounds/{dataset}/{model}/{one.method}/seed-{seed}/round-{one.number}"
    for (dataset, model), one, seed in product(TRAINED, ROUNDS.values(), SEEDS)
]
ANSWERS = [
    f"results/evaluation/{dataset}/{model}/index/{task}.json"
    for (dataset, model), (task, settings) in product(TRAINED, TASKS.items())
    if settings["metric"] == "accuracy"
]
NOISE_FLOOR = config["evaluation"]["noise_floor"]
BACKEND = config["evaluation"]["backend"]
BACKEND_AGAIN = NOISE_FLOOR["backend"] if NOISE_FLOOR else BACKEND
ANSWERS_AGAIN = [
    f"results/evaluation/{dataset}/{model}/again/index/{NOISE_FLOOR['task']}.json"
    for dataset, model in TRAINED
    if NOISE_FLOOR
]
ANSWERS_TO_JUDGE = [
    f"results/evaluation/{dataset}/{model}/index/{ANSWER_JUDGE['task']}.json"
    for dataset, model in TRAINED
    if ANSWER_JUDGE
]
JUDGED_ANSWERS = [
    f"results/evaluation/{dataset}/{model}/judge/{ANSWER_JUDGE['by']}/{ANSWER_JUDGE['task']}.jsonl"
    for dataset, model in TRAINED
    if ANSWER_JUDGE
]
ANSWER_SCORES = [
    f"results/evaluation/{dataset}/{model}/scorers/{task}.parquet"
    for (dataset, model), (task, settings) in product(TRAINED, TASKS.items())
    if settings["scorers"]
]
REWARD_PAIRS = [
    f"results/evaluation/{dataset}/{model}/{method}/seed-{seed}/{task}.parquet"
    for (dataset, model), method, seed, (task, settings) in product(
        TRAINED, REWARD_MODELS, SEEDS, TASKS.items()
    )
    if settings["rewards"]
]
MANIFESTS = [
    *collect("results/raw/{dataset}/manifest.json", dataset=config["datasets"]),
    *collect("results/models/{model}/manifest.json", model=config["models"]),
    *collect("results/teachers/{teacher}/manifest.json", teacher=ADAPTER_TEACHERS),
]
CARDS = [
    *collect("results/data/{dataset}/card.json", dataset=config["datasets"]),
    *collect("results/prompts/{dataset}/choice.json", dataset=SAMPLED_TRAINED),
    *collect("results/rationales/{dataset}/card.json", dataset=SAMPLED_TRAINED),
    *collect("results/preferences/{dataset}/card.json", dataset=config["train"]["datasets"]),
    *collect("{folder}/card.json", folder=ROUND_FOLDERS),
]
PREFERENCES = [
    f"{folder}/{kind}.parquet"
    for folder, kind in product(
        [
            *collect("results/preferences/{dataset}", dataset=config["train"]["datasets"]),
            *collect("{folder}/preferences", folder=ROUND_FOLDERS),
        ],
        ["sft", "pairs", "prompts"],
    )
]
STYLE = local(config["figures"]["style"] or part("workflow/report/figures.mplstyle"))
CHECKSUMS = os.path.relpath(ROOT / "config/checksums")
REPORT_TEMPLATES = [part(f"workflow/report/{p.name}") for p in sorted(ROOT.glob("workflow/report/*.*"))]


def code(script):
    """Return a param that digests a script and its imports, so that a rule reruns iff they change.

    ``{trainer}`` in the name of the script stands for the trainer of the method.
    """

    def digest(wildcards):
        method = {"trainer": family(wildcards.method)} if "{trainer}" in script else {}
        return fingerprint(ROOT, f"workflow/scripts/{script.format(**wildcards, **method)}")

    return digest
