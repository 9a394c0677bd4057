"""What rules take in and with which settings, as functions of their wildcards."""

from pathlib import Path

from workflow.lib.families import classifiers_of, family, scorers_of
from workflow.lib.rounds import FIRST, Round, round_teacher
from workflow.lib.trials import number_of, points


def prompt_file(name):
    """Return the path of a prompt file."""
    return part(f"config/prompts/{name}.j2")


def local_files_of(wildcards):
    """Return the files that a dataset takes from local folders."""
    sources = config["datasets"][wildcards.dataset]["sources"]
    folders = [source for source in sources if source["kind"] == "local"]
    found = (Path(s["path"]).glob(pattern) for s in folders for pattern in s["files"])
    return [local(path) for path in sorted(str(path) for matches in found for path in matches)]


def origin_of_dataset(wildcards):
    """Return what of a dataset's settings decides its raw files and what is told of them."""
    settings = config["datasets"][wildcards.dataset]
    return {key: settings[key] for key in ("sources", "licence", "citation")}


def recipe_of_dataset(wildcards):
    """Return the same of a generated dataset, whose labels are flipped by the split."""
    return {**origin_of_dataset(wildcards), "split": config["datasets"][wildcards.dataset]["split"]}


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


def better_prompt(wildcards):
    """Return the prompt file that shows a judge two answers."""
    return prompt_file(ANSWER_JUDGE["prompt"])


def prices_of_teachers(wildcards):
    """Return what each teacher behind an API asks for a million tokens, US dollars."""
    apis = {name: config["teachers"][name] for name in API_TEACHERS}
    return {name: {k: a[f"usd_per_million_{k}"] for k in ("input", "output")} for name, a in apis.items()}


def teacher_model(wildcards):
    """Return the name of the model behind a teacher."""
    return config["teachers"][wildcards.teacher]["model"]


def hardware_of_teacher(wildcards):
    """Return what of the hardware section an engine reads, with the number of GPUs that share a teacher."""
    own = config["hardware"]["vllm_tensor_parallel_of"]
    shared = {wildcards.teacher: ENGINE_HARDWARE["vllm_tensor_parallel"], **own}
    return {**ENGINE_HARDWARE, "vllm_tensor_parallel": shared[wildcards.teacher]}


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
    return [local(f"{source['path']}/{file}") for file in ADAPTER_FILES] if source["kind"] == "local" else []


def record_of_adapter(wildcards):
    """Return the file of digests on record for the adapter of a teacher."""
    return record_of([config["teachers"][wildcards.teacher]["adapter"]])


def trainer_of(wildcards):
    """Return the trainer of a method."""
    return family(wildcards.method)


def script_of_method(wildcards):
    """Return the script that trains a method, without its ending."""
    return f"train_{trainer_of(wildcards)}"


def settings_of_method(wildcards):
    """Return the settings of a method, or of a round of one."""
    return METHODS[wildcards.method]


def shared_of_method(wildcards):
    """Return what the section ``train`` asks of a method."""
    return {**SHARED, "share": SHARES[wildcards.method]}


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


def asking_of_task(wildcards):
    """Return what of a task's settings decides how it is asked."""
    settings = config["evaluation"]["tasks"][wildcards.task]
    return {key: settings[key] for key in ("metric", "max_new_tokens")}


def hardware_again(wildcards):
    """Return the hardware section with the batches in which policies are asked again."""
    return {**config["hardware"], "evaluation_batch": NOISE_FLOOR["evaluation_batch"]}


def scorers_of_task(wildcards):
    """Return the scorers of the answers to a task, by name."""
    names = config["evaluation"]["tasks"][wildcards.task]["scorers"]
    return {name: config["evaluation"]["scorers"][name] for name in names}


def reward_models_of_task(wildcards):
    """Return the adapter files of the reward models that score a task's answers, method × seed × file."""
    names = scorers_of({"rewards": scorers_of_task(wildcards).values()})
    return collect(
        f"results/adapters/{wildcards.dataset}/{wildcards.model}/{{method}}/seed-{{seed}}/{{file}}",
        method=names,
        seed=SEEDS,
        file=ADAPTER_FILES,
    )


def classifiers_of_task(wildcards):
    """Return the folders of the classifiers that score a task's answers."""
    names = classifiers_of({"rewards": scorers_of_task(wildcards).values()})
    return [f"results/models/{name}/snapshot" for name in names]
