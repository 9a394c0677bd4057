"""The tournament of prompts: every teacher tries every prompt on a slice of dev, and a rule chooses.

INPUT   results/data/{dataset}/{train,dev}.parquet, config/prompts/*.j2, results/models/{model}/,
        results/teachers/{teacher}/ (teachers that are an adapter)
OUTPUT  results/prompts/{dataset}/{teacher}/{prompt}.jsonl, results/prompts/{dataset}/choice.json
        results/prompts/{dataset}/{teacher}/{prompt}.ledger.json (teachers behind an API)
"""


rule compare_prompts:
    """Let one teacher answer a slice of dev with one prompt."""
    input:
        problems="results/data/{dataset}/dev.parquet",
        train="results/data/{dataset}/train.parquet",
        prompt=prompt_file("{prompt}"),
        adapter=teacher_adapter,
        manifest=teacher_manifest,
        snapshot=teacher_snapshot,
    output:
        rationales="results/prompts/{dataset}/{teacher}/{prompt}.jsonl",
    log:
        "results/logs/compare_prompts/{dataset}/{teacher}/{prompt}.log",
    benchmark:
        "results/benchmarks/compare_prompts/{dataset}/{teacher}/{prompt}.tsv"
    wildcard_constraints:
        teacher=one_of(VLLM_TEACHERS),
    conda:
        VLLM_ENVIRONMENT
    resources:
        gpu=gpus_of_teacher,
    params:
        code=code("compare_prompts.py"),
        teacher=sampling_of_teacher,
        hardware=hardware_of_teacher,
        size=lookup(dpath="prompts/slice", within=config),
        examples=lookup(dpath="prompts/examples", within=config),
    script:
        "../workflow/scripts/compare_prompts.py"


rule ask_prompts:
    """Let one teacher behind an API answer a slice of dev with one prompt."""
    input:
        problems="results/data/{dataset}/dev.parquet",
        train="results/data/{dataset}/train.parquet",
        prompt=prompt_file("{prompt}"),
    output:
        rationales="results/prompts/{dataset}/{teacher}/{prompt}.jsonl",
        ledger="results/prompts/{dataset}/{teacher}/{prompt}.ledger.json",
    log:
        "results/logs/ask_prompts/{dataset}/{teacher}/{prompt}.log",
    benchmark:
        "results/benchmarks/ask_prompts/{dataset}/{teacher}/{prompt}.tsv"
    wildcard_constraints:
        teacher=one_of(API_TEACHERS),
    localrule: True  # where the driver runs there are a network and the key
    conda:
        "../envs/api.yaml"
    resources:
        api=1,
    params:
        code=code("ask_prompts.py"),
        teacher=lookup(dpath="teachers/{teacher}", within=config),
        size=lookup(dpath="prompts/slice", within=config),
        examples=lookup(dpath="prompts/examples", within=config),
    script:
        "../workflow/scripts/ask_prompts.py"


rule choose_prompts:
    """Choose the prompt of each teacher by the study's rule from its verified yields."""
    input:
        problems="results/data/{dataset}/dev.parquet",
        rationales=collect(
            "results/prompts/{{dataset}}/{teacher}/{prompt}.jsonl",
            teacher=TEACHERS,
            prompt=CANDIDATE_PROMPTS,
        ),
    output:
        choice="results/prompts/{dataset}/choice.json",
    log:
        "results/logs/choose_prompts/{dataset}.log",
    benchmark:
        "results/benchmarks/choose_prompts/{dataset}.tsv"
    localrule: True  # seconds, between two stages that compute
    conda:
        "../envs/data.yaml"
    params:
        code=code("choose_prompts.py"),
        rule=lookup(dpath="prompts/rule", within=config),
        intervals=lookup(dpath="prompts/intervals", within=config),
        prices=prices_of_teachers,
        pinned=lookup(dpath="prompts/pinned", within=config),
    script:
        "../workflow/scripts/choose_prompts.py"
