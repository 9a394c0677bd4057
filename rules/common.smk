"""The checked configuration of the study, and the helpers that rules share."""

import atexit
import os
import sys
from itertools import product
from pathlib import Path

from workflow.lib.config import load_schema, study_problems
from workflow.lib.fingerprints import fingerprint
from workflow.lib.logs import redact
from workflow.lib.plan import plan_summary, read_expected

ROOT = Path(str(workflow.current_basedir.join("..").get_path_or_uri(secret_free=True))).resolve()

# A study file replaces the flagship study; it is never merged into it.
if not workflow.overwrite_configfiles:

    configfile: ROOT / "config/config.yaml"


for variable, value in {
    "HF_HUB_OFFLINE": "1",  # only fetch_dataset and fetch_model go to the hub
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRL_EXPERIMENTAL_SILENCE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads of two jobs on two cores cost a factor of 8,
    "GOMP_SPINCOUNT": "1000",  # but a few microseconds of it save a fifth where a job is alone
}.items():
    os.environ.setdefault(variable, value)

if problems := study_problems(
    config,
    load_schema(ROOT / "config/schemas/config.schema.yaml"),
    workflow.configfiles,
    ROOT,
):
    told = (redact(f"ERROR config: {line}", os.environ) for line in problems[:20])  # a key, by mistake
    print(*told, sep="\n", file=sys.stderr)
    sys.exit(2)


def tell_plan():
    """End a dry run with what it would cost."""
    if workflow.dryrun:
        expected = read_expected(ROOT / f"config/expected/{config['hardware']['device']}.csv")
        print(plan_summary(workflow.dag, expected, config), file=sys.stderr)


atexit.register(tell_plan)


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
    """Return the path of a file of this repository, relative so that it survives a move of both."""
    return os.path.relpath(ROOT / path)


SPLITS = ["train", "dev", "test"]
ADAPTER_FILES = ["adapter_model.safetensors", "adapter_config.json"]
FIGURES = [
    "accuracy",
    "deltas",
    "categories",
    "rewards",
    "curves",
    "costs",
    "funnel",
]
TABLES = [*FIGURES, "subsets"]
SEEDS = config["seeds"]
SHARDS = range(config["rationales"]["shards"])
TEACHERS = list(config["teachers"])
VLLM_TEACHERS = kinds("teachers", "vllm")
API_TEACHERS = kinds("teachers", "api")
HINTED_TEACHERS = VLLM_TEACHERS if config["rationales"]["hint_failed"] else []
CANDIDATE_PROMPTS = sorted({*config["prompts"]["candidates"], *config["prompts"]["pinned"].values()})
TRAINED_POLICIES = [method for method in config["methods"] if method != "reward"]
POLICIES = ["base", *TRAINED_POLICIES]
GENERATED_DATASETS = kinds("datasets", "generator")
FETCHED_DATASETS = kinds("datasets", "hub", "local")
SAMPLED_DATASETS = taught_by("right_vs_wrong", "gold_vs_wrong", "votes")
PAIRED_DATASETS = taught_by("given")
PASSAGE_DATASETS = taught_by("passages")
TESTED_DATASETS = sorted({task["dataset"] for task in config["evaluation"]["tasks"].values()})
SCRATCH_MODELS = kinds("models", "scratch")
FETCHED_MODELS = kinds("models", "hub", "local")
GPUS = int(config["hardware"]["device"] == "cuda")
TEACHER_GPUS = GPUS * config["hardware"]["vllm_tensor_parallel"]


wildcard_constraints:
    dataset=one_of(config["datasets"]),
    model=one_of(config["models"]),
    method=one_of(["base", *config["methods"]]),
    seed=one_of(SEEDS),
    teacher=one_of(TEACHERS),
    prompt=one_of(CANDIDATE_PROMPTS),
    task=one_of(config["evaluation"]["tasks"]),
    shard=one_of(SHARDS),
    split=one_of(SPLITS),
    figure=one_of(FIGURES),


SAMPLED_TRAINED = [name for name in config["train"]["datasets"] if name in SAMPLED_DATASETS]
TRAINED = list(product(config["train"]["datasets"], config["train"]["models"]))
RUNS = [
    f"results/adapters/{dataset}/{model}/{method}/seed-{seed}"
    for (dataset, model), method, seed in product(TRAINED, config["methods"], SEEDS)
]
SCORES = [
    f"results/evaluation/{dataset}/{model}/{method}/seed-{seed}/{task}.json"
    for (dataset, model), method, seed, task in product(
        TRAINED, POLICIES, SEEDS, config["evaluation"]["tasks"]
    )
]
SAMPLES = [score.removesuffix("json") + "parquet" for score in SCORES]
REWARD_PAIRS = [
    f"results/evaluation/{dataset}/{model}/reward/seed-{seed}/{task}.parquet"
    for (dataset, model), seed, (task, settings) in product(
        TRAINED, SEEDS, config["evaluation"]["tasks"].items()
    )
    if "reward" in config["methods"] and settings["rewards"]
]
MANIFESTS = [
    *collect("results/raw/{dataset}/manifest.json", dataset=config["datasets"]),
    *collect("results/models/{model}/manifest.json", model=config["models"]),
]
CARDS = [
    *collect("results/data/{dataset}/card.json", dataset=config["datasets"]),
    *collect("results/prompts/{dataset}/choice.json", dataset=SAMPLED_TRAINED),
    *collect("results/rationales/{dataset}/card.json", dataset=SAMPLED_TRAINED),
    *collect("results/preferences/{dataset}/card.json", dataset=config["train"]["datasets"]),
]
PREFERENCES = [
    f"results/preferences/{dataset}/{kind}.parquet"
    for dataset, kind in product(config["train"]["datasets"], ["sft", "pairs", "prompts"])
]
REPORT_TEMPLATES = [part(f"workflow/report/{p.name}") for p in sorted(ROOT.glob("workflow/report/*.*"))]


def prompt_file(name):
    """Return the path of a prompt file."""
    return part(f"config/prompts/{name}.j2")


def local_files_of(wildcards):
    """Return the files that a dataset takes from local folders."""
    sources = config["datasets"][wildcards.dataset]["sources"]
    local = [source for source in sources if source["kind"] == "local"]
    found = (Path(s["path"]).glob(pattern) for s in local for pattern in s["files"])
    return sorted(str(path) for matches in found for path in matches)


def tokenizers_of_dataset(wildcards):
    """Return the tokenizer file of every model in whose tokens a dataset counts lengths."""
    sources = config["datasets"][wildcards.dataset]["sources"]
    options = [s["options"] for s in sources if "options" in s]
    models = {o["tokenizer"] for o in options if "tokenizer" in o}
    return {model: f"results/models/{model}/snapshot/tokenizer.json" for model in sorted(models)}


def tokenizer_manifests(wildcards):
    """Return the manifests of the models in whose tokens a dataset counts lengths."""
    return [f"results/models/{model}/manifest.json" for model in tokenizers_of_dataset(wildcards)]


def record_of(entries):
    """Return the files of digests on record for what comes from the hub at a revision."""
    hub = [entry for entry in entries if entry["kind"] == "hub"]
    paths = {f"config/checksums/{entry['repo']}/{entry['revision']}.sha256" for entry in hub}
    return [part(path) for path in sorted(paths) if (ROOT / path).is_file()]


def record_of_dataset(wildcards):
    """Return the files of digests on record for a dataset's sources."""
    return record_of(config["datasets"][wildcards.dataset]["sources"])


def record_of_model(wildcards):
    """Return the file of digests on record for a model."""
    return record_of([config["models"][wildcards.model]])


def hint_prompt(wildcards):
    """Return the prompt file that shows the answer to problems that failed."""
    return prompt_file(config["rationales"]["hint_failed"])


def prices_of_teachers(wildcards):
    """Return what each teacher behind an API asks for a million tokens, US dollars."""
    apis = {name: config["teachers"][name] for name in API_TEACHERS}
    return {name: {k: a[f"usd_per_million_{k}"] for k in ("input", "output")} for name, a in apis.items()}


def teacher_model(wildcards):
    """Return the name of the model behind a teacher."""
    return config["teachers"][wildcards.teacher]["model"]


def teacher_manifest(wildcards):
    """Return the manifest of the model behind a teacher."""
    return f"results/models/{teacher_model(wildcards)}/manifest.json"


def teacher_snapshot(wildcards):
    """Return the folder of the model behind a teacher."""
    return f"results/models/{teacher_model(wildcards)}/snapshot"


def rows_of_method(wildcards):
    """Return the preference file that a method learns from."""
    learns_from = config["methods"][wildcards.method]["learns_from"]
    return f"results/preferences/{wildcards.dataset}/{learns_from}.parquet"


def adapter_of(method, wildcards):
    """Return the adapter files of another method on the same dataset, model and seed."""
    folder = f"results/adapters/{wildcards.dataset}/{wildcards.model}/{method}"
    return [f"{folder}/seed-{wildcards.seed}/{file}" for file in ADAPTER_FILES]


def start_of_method(wildcards):
    """Return the adapter that a method starts from; nothing when it starts from the base."""
    start = config["methods"][wildcards.method]["start_from"]
    return [] if start == "base" else adapter_of(start, wildcards)


def reward_of_method(wildcards):
    """Return the reward model that a method learns against; nothing when it needs none."""
    settings = config["methods"][wildcards.method]
    return adapter_of(settings["reward"], wildcards) if "reward" in settings else []


def problems_of_task(wildcards):
    """Return the held-out problems that a task asks."""
    dataset = config["evaluation"]["tasks"][wildcards.task]["dataset"]
    return f"results/data/{dataset}/test.parquet"


def definition_of_task(wildcards):
    """Return the files that define a task, its YAML file first."""
    definition = config["evaluation"]["tasks"][wildcards.task]["definition"]
    helpers = sorted(ROOT.glob(f"workflow/tasks/{Path(definition).parent}/*.py"))
    return [
        part(f"workflow/tasks/{definition}.yaml"),
        *(part(helper) for helper in helpers),
    ]


def code(script):
    """Return a param that digests a script and its imports, so that a rule reruns iff they change."""

    def digest(wildcards):
        return fingerprint(ROOT, f"workflow/scripts/{script.format(**wildcards)}")

    return digest
