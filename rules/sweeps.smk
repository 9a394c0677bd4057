"""Small searches of a method's settings: trials of one seed, told apart on dev before the method is trained.

INPUT   results/preferences/{dataset}/*.parquet, results/data/{dataset}/dev.parquet, results/models/{model}/,
        and the adapters a method starts from or is rewarded by
OUTPUT  results/sweeps/{dataset}/{model}/{method}/trial-{trial}/seed-{seed}/ (as an adapter of the study, with
        trial.json), scores/{task}/ (the problems, scores and records of every trial) and choice.json
"""


rule try_settings:
    """Train one adapter with the settings of one trial; a numerical failure is an outcome."""
    input:
        rows=rows_of_method,
        start=start_of_method,
        reward=reward_of_method,
        judges=judges_of_method,
        manifest="results/models/{model}/manifest.json",
        snapshot="results/models/{model}/snapshot",
    output:
        trial=directory("results/sweeps/{dataset}/{model}/{method}/trial-{trial}/seed-{seed}"),
    log:
        "results/logs/try_settings/{dataset}/{model}/{method}/trial-{trial}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/try_settings/{dataset}/{model}/{method}/trial-{trial}/seed-{seed}.tsv"
    wildcard_constraints:
        method=one_of(GRIDS),
    conda:
        "../envs/train.yaml"
    threads: TRAINING_CORES
    resources:
        **SPREAD,
        gpu=TRAINING_GPUS,
    params:
        code=code("try_settings.py"),
        code_of_trainer=code("train_{trainer}.py"),
        trainer=trainer_of,
        point=point_of_trial,
        settings=settings_of_trial,
        lora=config["lora"],
        hardware=TRAINING_HARDWARE,
        shared=shared_of_method,
    script:
        "../workflow/scripts/try_settings.py"


rule score_trials:
    """Score every trial of one sweep on the same problems of dev, with the base loaded once."""
    input:
        problems=dev_of_task,
        definition=definition_of_task,
        prompt=prompt_file(config["prompts"]["student"]),
        trials=trials_of_method,
        manifest="results/models/{model}/manifest.json",
        snapshot="results/models/{model}/snapshot",
    output:
        scores=directory("results/sweeps/{dataset}/{model}/{method}/scores/{task}"),
    log:
        "results/logs/score_trials/{dataset}/{model}/{method}/{task}.log",
    benchmark:
        "results/benchmarks/score_trials/{dataset}/{model}/{method}/{task}.tsv"
    wildcard_constraints:
        method=one_of(GRIDS),
    conda:
        scoring_environment(BACKEND)
    resources:
        gpu=GPUS,
    params:
        code=code("score_trials.py"),
        settings=asking_of_task,
        seed=lookup(dpath="evaluation/seed", within=config),
        backend=BACKEND,
        hardware=config["hardware"],
        sweep=SWEEP,
    script:
        "../workflow/scripts/score_trials.py"


rule choose_settings:
    """Choose the settings of one method by the study's rule, from its trials on dev."""
    input:
        trials=trials_of_method,
        scores=scores_of_trials,
    output:
        choice="results/sweeps/{dataset}/{model}/{method}/choice.json",
    log:
        "results/logs/choose_settings/{dataset}/{model}/{method}.log",
    benchmark:
        "results/benchmarks/choose_settings/{dataset}/{model}/{method}.tsv"
    wildcard_constraints:
        method=one_of(GRIDS),
    localrule: True  # seconds, between two stages that compute
    conda:
        "../envs/report.yaml"
    params:
        code=code("choose_settings.py"),
        sweep=SWEEP,
    script:
        "../workflow/scripts/choose_settings.py"
