"""Scores of every policy on held-out problems: the only stage that reads a test split.

INPUT   results/data/{dataset}/test.parquet, results/models/{model}/, results/adapters/…
OUTPUT  results/evaluation/{dataset}/{model}/{method}/seed-{seed}/{task}.json (lm-eval's layout)
        and {task}.parquet (one row per sample); the same for the reward model's pair accuracy;
        results/evaluation/{dataset}/{model}/index/{task}.json (names and digests of what a task brought: what
        reads the answers of all policies asks for it);
        results/evaluation/{dataset}/{model}/scorers/{task}.parquet (one row per scorer and answer);
        results/evaluation/{dataset}/{model}/judge/{teacher}/{task}.jsonl (one row per reply of the judge)
"""


rule evaluate:
    """Score the base and every adapter and seed on one task, with the base loaded once."""
    input:
        problems=problems_of_task,
        definition=definition_of_task,
        prompt=prompt_file(config["prompts"]["student"]),
        adapters=collect(
            "results/adapters/{{dataset}}/{{model}}/{method}/seed-{seed}/adapter_model.safetensors",
            method=TRAINED_POLICIES,
            seed=SEEDS,
        ),
        manifest="results/models/{model}/manifest.json",
        snapshot="results/models/{model}/snapshot",
    output:
        scores=collect(
            "results/evaluation/{{dataset}}/{{model}}/{method}/seed-{seed}/{{task}}.json",
            method=POLICIES,
            seed=SEEDS,
        ),
        samples=collect(
            "results/evaluation/{{dataset}}/{{model}}/{method}/seed-{seed}/{{task}}.parquet",
            method=POLICIES,
            seed=SEEDS,
        ),
        index="results/evaluation/{dataset}/{model}/index/{task}.json",
    log:
        "results/logs/evaluate/{dataset}/{model}/{task}.log",
    benchmark:
        "results/benchmarks/evaluate/{dataset}/{model}/{task}.tsv"
    conda:
        scoring_environment(BACKEND)
    resources:
        gpu=GPUS,
    params:
        code=code("evaluate.py"),
        settings=asking_of_task,
        seed=lookup(dpath="evaluation/seed", within=config),
        backend=BACKEND,
        hardware=config["hardware"],
        policies=POLICIES,
        seeds=SEEDS,
    script:
        "../workflow/scripts/evaluate.py"


use rule evaluate as evaluate_again with:
    output:
        scores=collect(
            "results/evaluation/{{dataset}}/{{model}}/again/{method}/seed-{seed}/{{task}}.json",
            method=POLICIES,
            seed=SEEDS,
        ),
        samples=collect(
            "results/evaluation/{{dataset}}/{{model}}/again/{method}/seed-{seed}/{{task}}.parquet",
            method=POLICIES,
            seed=SEEDS,
        ),
        index="results/evaluation/{dataset}/{model}/again/index/{task}.json",
    log:
        "results/logs/evaluate_again/{dataset}/{model}/{task}.log",
    benchmark:
        "results/benchmarks/evaluate_again/{dataset}/{model}/{task}.tsv"
    conda:
        scoring_environment(BACKEND_AGAIN)
    params:
        code=code("evaluate.py"),
        settings=asking_of_task,
        seed=lookup(dpath="evaluation/seed", within=config),
        backend=BACKEND_AGAIN,
        hardware=hardware_again,
        policies=POLICIES,
        seeds=SEEDS,


rule evaluate_rewards:
    """Ask a reward model to rank right above wrong samples of the base on held-out problems."""
    input:
        # Not ancient(): a job below one that runs is not looked at by itself, so another seed would go unnoticed.
        samples="results/evaluation/{dataset}/{model}/base/seed-{seed}/{task}.parquet",
        problems=problems_of_task,
        definition=definition_of_task,
        prompt=prompt_file(config["prompts"]["student"]),
        adapter="results/adapters/{dataset}/{model}/{method}/seed-{seed}/adapter_model.safetensors",
        settings="results/adapters/{dataset}/{model}/{method}/seed-{seed}/adapter_config.json",
        manifest="results/models/{model}/manifest.json",
        snapshot="results/models/{model}/snapshot",
    output:
        scores="results/evaluation/{dataset}/{model}/{method}/seed-{seed}/{task}.json",
        pairs="results/evaluation/{dataset}/{model}/{method}/seed-{seed}/{task}.parquet",
    log:
        "results/logs/evaluate_rewards/{dataset}/{model}/{method}/seed-{seed}/{task}.log",
    benchmark:
        "results/benchmarks/evaluate_rewards/{dataset}/{model}/{method}/seed-{seed}/{task}.tsv"
    wildcard_constraints:
        method=one_of(REWARD_MODELS),
    conda:
        "../envs/evaluate.yaml"
    resources:
        gpu=GPUS,
    params:
        code=code("evaluate_rewards.py"),
        hardware=config["hardware"],
    script:
        "../workflow/scripts/evaluate_rewards.py"


rule score_answers:
    """Let every scorer of a task score all policies' answers, and measure how far each policy has moved."""
    input:
        answers=["results/evaluation/{dataset}/{model}/index/{task}.json"],
        adapters=collect(
            "results/adapters/{{dataset}}/{{model}}/{method}/seed-{seed}/adapter_model.safetensors",
            method=TRAINED_POLICIES,
            seed=SEEDS,
        ),
        rewards=reward_models_of_task,
        classifiers=classifiers_of_task,
        definition=definition_of_task,
        manifest="results/models/{model}/manifest.json",
        snapshot="results/models/{model}/snapshot",
    output:
        scores="results/evaluation/{dataset}/{model}/scorers/{task}.parquet",
    log:
        "results/logs/score_answers/{dataset}/{model}/{task}.log",
    benchmark:
        "results/benchmarks/score_answers/{dataset}/{model}/{task}.tsv"
    conda:
        "../envs/evaluate.yaml"
    resources:
        gpu=GPUS,
    params:
        code=code("score_answers.py"),
        policies=POLICIES,
        seeds=SEEDS,
        scorers=scorers_of_task,
        longest=lookup(dpath="evaluation/tasks/{task}/max_new_tokens", within=config),
        hardware=config["hardware"],
    script:
        "../workflow/scripts/score_answers.py"


rule judge_answers:
    """Ask a teacher whose answer to a task is better, every trained policy's or the base's."""
    input:
        answers=["results/evaluation/{dataset}/{model}/index/{task}.json"],
        prompt=better_prompt,
        adapter=teacher_adapter,
        manifest=teacher_manifest,
        snapshot=teacher_snapshot,
    output:
        judged="results/evaluation/{dataset}/{model}/judge/{teacher}/{task}.jsonl",
    log:
        "results/logs/judge_answers/{dataset}/{model}/{teacher}/{task}.log",
    benchmark:
        "results/benchmarks/judge_answers/{dataset}/{model}/{teacher}/{task}.tsv"
    wildcard_constraints:
        teacher=one_of(name for name in ANSWER_JUDGES if name in VLLM_TEACHERS),
    conda:
        VLLM_ENVIRONMENT
    resources:
        gpu=gpus_of_teacher,
    params:
        code=code("judge_answers.py"),
        teacher=sampling_of_teacher,
        hardware=hardware_of_teacher,
        settings=ANSWER_JUDGE,
    script:
        "../workflow/scripts/judge_answers.py"


rule ask_judge_of_answers:
    """Ask a teacher behind an API the same about the answers to a task."""
    input:
        answers=["results/evaluation/{dataset}/{model}/index/{task}.json"],
        prompt=better_prompt,
    output:
        judged="results/evaluation/{dataset}/{model}/judge/{teacher}/{task}.jsonl",
        ledger="results/evaluation/{dataset}/{model}/judge/{teacher}/{task}.ledger.json",
    log:
        "results/logs/ask_judge_of_answers/{dataset}/{model}/{teacher}/{task}.log",
    benchmark:
        "results/benchmarks/ask_judge_of_answers/{dataset}/{model}/{teacher}/{task}.tsv"
    wildcard_constraints:
        teacher=one_of(name for name in ANSWER_JUDGES if name in API_TEACHERS),
    localrule: True  # where the driver runs there are a network and the key
    conda:
        "../envs/api.yaml"
    resources:
        api=1,
    params:
        code=code("ask_judge_of_answers.py"),
        teacher=lookup(dpath="teachers/{teacher}", within=config),
        settings=ANSWER_JUDGE,
    script:
        "../workflow/scripts/ask_judge_of_answers.py"
