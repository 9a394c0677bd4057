"""The checked configuration of the study, and the helpers that rules share."""

import atexit
import os
import sys
from itertools import product
from pathlib import Path

from workflow.lib.config import load_schema, study_problems
from workflow.lib.families import classifiers_of, family, rewards_among, scorers_of
from workflow.lib.fingerprints import fingerprint
from workflow.lib.logs import redact
from workflow.lib.lora import SETTINGS, WEIGHTS
from workflow.lib.plan import plan_summary, read_expected
from workflow.lib.rounds import FIRST, Round, methods_of, round_teacher, rounds_of
from workflow.lib.trials import number_of, points

ROOT = Path(str(workflow.current_basedir.join("..").get_path_or_uri(secret_free=True))).resolve()

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
ADAPTER_FILES = [WEIGHTS, SETTINGS]
FIGURES = [
    "accuracy",
    "deltas",
    "categories",
    "rewards",
    "sweeps",
    "curves",
    "costs",
    "funnel",
]
TABLES = [*FIGURES, "subsets"]
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
CANDIDATE_PROMPTS = sorted({*config["prompts"]["candidates"], *config["prompts"]["pinned"].values()})
METHODS = methods_of(config)  # those of the config, and their rounds
ROUNDS = rounds_of(config)
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
TESTED_DATASETS = sorted({task["dataset"] for task in config["evaluation"]["tasks"].values()})
SCRATCH_MODELS = kinds("models", "scratch")
FETCHED_MODELS = kinds("models", "hub", "local")
GPUS = int(config["hardware"]["device"] == "cuda")
TRAINING_GPUS = GPUS * config["hardware"]["processes"]


wildcard_constraints:
    dataset=one_of(config["datasets"]),
    model=one_of(config["models"]),
    method=one_of(["base", *METHODS]),
    round=one_of(sorted({one.number for one in ROUNDS.values()})),
    seed=one_of(SEEDS),
    trial=one_of(TRIALS),
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
SCORES = [
    f"results/evaluation/{dataset}/{model}/{method}/seed-{seed}/{task}.json"
    for (dataset, model), method, seed, task in product(
        TRAINED, POLICIES, SEEDS, config["evaluation"]["tasks"]
    )
]
ROUND_FOLDERS = [
    f"results/rounds/{dataset}/{model}/{one.method}/seed-{seed}/round-{one.number}"
    for (dataset, model), one, seed in product(TRAINED, ROUNDS.values(), SEEDS)
]
SAMPLES = [score.removesuffix("json") + "parquet" for score in SCORES]
REWARD_PAIRS = [
    f"results/evaluation/{dataset}/{model}/{method}/seed-{seed}/{task}.parquet"
    for (dataset, model), method, seed, (task, settings) in product(
        TRAINED, REWARD_MODELS, SEEDS, config["evaluation"]["tasks"].items()
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


def template_of_model(wildcards):
    """Return the chat template that a model's tokenizer is given; nothing where it has one."""
    name = config["models"][wildcards.model].get("chat_template")
    return [part(f"config/templates/{name}.jinja")] if name else []


def hint_prompt(wildcards):
    """Return the prompt file that shows the answer to problems that failed."""
    return prompt_file(config["rationales"]["hint_failed"])


def rationales_for_judge(wildcards):
    """Return the samples of a shard that a judge is asked about: its own, or everybody's."""
    folder, teachers = f"results/rationales/{wildcards.dataset}", (
        TEACHERS if JUDGE["by"] else [wildcards.teacher]
    )
    sampled = [f"{folder}/{name}/shard-{wildcards.shard}.jsonl" for name in teachers]
    hinted = [name for name in teachers if name in HINTED_TEACHERS]
    return [*sampled, *(f"{folder}/{name}/hinted-{wildcards.shard}.jsonl" for name in hinted)]


def entails_prompt(wildcards):
    """Return the prompt file that shows a judge one rationale."""
    return prompt_file(JUDGE["entails"])


def compare_prompt(wildcards):
    """Return the prompt file that shows a judge two rationales; nothing where none are compared."""
    return [prompt_file(JUDGE["compare"]["prompt"])] if JUDGE["compare"] else []


def prices_of_teachers(wildcards):
    """Return what each teacher behind an API asks for a million tokens, US dollars."""
    apis = {name: config["teachers"][name] for name in API_TEACHERS}
    return {name: {k: a[f"usd_per_million_{k}"] for k in ("input", "output")} for name, a in apis.items()}


def teacher_model(wildcards):
    """Return the name of the model behind a teacher."""
    return config["teachers"][wildcards.teacher]["model"]


def hardware_of_teacher(wildcards):
    """Return the hardware section with the number of GPUs that share a teacher."""
    hardware = config["hardware"]
    shared = {wildcards.teacher: hardware["vllm_tensor_parallel"], **hardware["vllm_tensor_parallel_of"]}
    return {**hardware, "vllm_tensor_parallel": shared[wildcards.teacher]}


def gpus_of_teacher(wildcards):
    """Return the number of GPUs that a job of a teacher needs."""
    return GPUS * hardware_of_teacher(wildcards)["vllm_tensor_parallel"]


def teacher_manifest(wildcards):
    """Return the manifest of the model behind a teacher."""
    return f"results/models/{teacher_model(wildcards)}/manifest.json"


def teacher_snapshot(wildcards):
    """Return the folder of the model behind a teacher."""
    return f"results/models/{teacher_model(wildcards)}/snapshot"


def teacher_adapter(wildcards):
    """Return the adapter files of a teacher; nothing when it is a model as it is."""
    folder = f"results/teachers/{wildcards.teacher}/adapter"
    return [f"{folder}/{file}" for file in ADAPTER_FILES] if wildcards.teacher in ADAPTER_TEACHERS else []


def sampling_of_teacher(wildcards):
    """Return how a teacher is sampled, whatever adapter it has."""
    settings = config["teachers"][wildcards.teacher]
    return {key: value for key, value in settings.items() if key != "adapter"}


def local_adapter(wildcards):
    """Return the adapter files that a teacher takes from a local folder."""
    source = config["teachers"][wildcards.teacher]["adapter"]
    return [f"{source['path']}/{file}" for file in ADAPTER_FILES] if source["kind"] == "local" else []


def record_of_adapter(wildcards):
    """Return the file of digests on record for the adapter of a teacher."""
    return record_of([config["teachers"][wildcards.teacher]["adapter"]])


def trainer_of(wildcards):
    """Return the trainer of a method, which names its script."""
    return family(wildcards.method)


def settings_of_method(wildcards):
    """Return the settings of a method, or of a round of one."""
    return METHODS[wildcards.method]


def preferences_of_method(wildcards):
    """Return the folder of what a method learns from: of the dataset, or of a round of the method."""
    if wildcards.method not in ROUNDS:
        return f"results/preferences/{wildcards.dataset}"
    return f"{folder_of_round(ROUNDS[wildcards.method], wildcards)}/preferences"


def gate_of_method(wildcards):
    """Return the card of a method's round, which is there if the round may go on; nothing without rounds."""
    one = ROUNDS.get(wildcards.method)
    return [f"{folder_of_round(one, wildcards)}/card.json"] if one else []


def rows_of_method(wildcards):
    """Return the preference file that a method learns from."""
    learns_from = METHODS[wildcards.method]["learns_from"]
    return f"{preferences_of_method(wildcards)}/{learns_from}.parquet"


def adapter_of(method, wildcards):
    """Return the adapter files of another method on the same dataset, model and seed."""
    folder = f"results/adapters/{wildcards.dataset}/{wildcards.model}/{method}"
    return [f"{folder}/seed-{wildcards.seed}/{file}" for file in ADAPTER_FILES]


def start_of_method(wildcards):
    """Return the adapter that a method starts from; nothing when it starts from the base."""
    start = METHODS[wildcards.method]["start_from"]
    return [] if start == "base" else adapter_of(start, wildcards)


def reward_of_method(wildcards):
    """Return the adapters of the reward models that score for a method; nothing when it needs none."""
    names = scorers_of(METHODS[wildcards.method])
    return [file for name in names for file in adapter_of(name, wildcards)]


def judges_of_method(wildcards):
    """Return folder and manifest of each model that scores for a method as a classifier."""
    folders = [f"results/models/{name}" for name in classifiers_of(METHODS[wildcards.method])]
    return [f"{folder}/{file}" for folder in folders for file in ("snapshot", "manifest.json")]


def choice_of_method(wildcards):
    """Return the choice of settings of a method that is swept, and of its rounds; nothing for any other."""
    written = ROUNDS[wildcards.method].method if wildcards.method in ROUNDS else wildcards.method
    folder = f"results/sweeps/{wildcards.dataset}/{wildcards.model}/{written}"
    return [f"{folder}/choice.json"] if written in GRIDS else []


def point_of_trial(wildcards):
    """Return the settings that make a trial."""
    return points(GRIDS[wildcards.method])[int(wildcards.trial)]


def settings_of_trial(wildcards):
    """Return all settings of a method in one of its trials."""
    return {**config["methods"][wildcards.method], **point_of_trial(wildcards)}


def trials_of_method(wildcards):
    """Return the folders of the trials of a method."""
    folder = f"results/sweeps/{wildcards.dataset}/{wildcards.model}/{wildcards.method}"
    trials = range(number_of(GRIDS[wildcards.method]))
    return [f"{folder}/trial-{trial}/seed-{SWEEP['seed']}" for trial in trials]


def scores_of_trials(wildcards):
    """Return the folder with the scores on dev by which a method is swept."""
    folder = f"results/sweeps/{wildcards.dataset}/{wildcards.model}/{wildcards.method}"
    return f"{folder}/scores/{SWEEP['task']}"


def dev_of_task(wildcards):
    """Return the dev problems of the dataset that a task asks."""
    dataset = config["evaluation"]["tasks"][wildcards.task]["dataset"]
    return f"results/data/{dataset}/dev.parquet"


def folder_of_round(one, wildcards):
    """Return the folder of a round of one dataset, model and seed."""
    run = f"{wildcards.dataset}/{wildcards.model}/{one.method}/seed-{wildcards.seed}"
    return f"results/rounds/{run}/round-{one.number}"


def round_at(wildcards):
    """Return the round of a method."""
    return Round(wildcards.method, int(wildcards.round))


def policy_before(wildcards):
    """Return the method of the round before, which answers in a round."""
    return round_at(wildcards).before


def adapter_before(wildcards):
    """Return the adapter files of the method that answers in a round."""
    return adapter_of(policy_before(wildcards), wildcards)


def sampling_of_round(wildcards):
    """Return how the adapter that answers in a round is sampled."""
    return round_teacher(config, wildcards.model, round_at(wildcards), int(wildcards.seed))


def rationales_before(wildcards):
    """Return the verified samples of the round before: in round 1, those of the teachers."""
    one = Round(wildcards.method, int(wildcards.round) - 1)
    folder = f"results/rationales/{wildcards.dataset}"
    later = f"{folder_of_round(one, wildcards)}/rationales"
    return f"{folder if one.number < FIRST else later}/verified.parquet"


def names_before(wildcards):
    """Return who answered in the round before and is the same model: in round 1, some of the teachers."""
    one, model = Round(wildcards.method, int(wildcards.round) - 1), wildcards.model
    alike = [name for name in VLLM_TEACHERS if config["teachers"][name]["model"] == model]
    return alike if one.number < FIRST else [one.before]


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
    """Return a param that digests a script and its imports, so that a rule reruns iff they change.

    ``{trainer}`` in the name of the script stands for the trainer of the method.
    """

    def digest(wildcards):
        method = {"trainer": trainer_of(wildcards)} if "{trainer}" in script else {}
        return fingerprint(ROOT, f"workflow/scripts/{script.format(**wildcards, **method)}")

    return digest
