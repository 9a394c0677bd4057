"""The tournament of prompts: every teacher tries every prompt on a slice of dev, the best yield wins.

INPUT   results/data/{dataset}/dev.parquet, config/prompts/*.j2, results/models/{model}/
OUTPUT  results/prompts/{dataset}/{teacher}/{prompt}.jsonl, results/prompts/{dataset}/choice.json
"""


rule compare_prompts:
    """Let one teacher answer a slice of dev with one prompt."""
    input:
        problems="results/data/{dataset}/dev.parquet",
        prompt=prompt_file("{prompt}"),
        manifest=teacher_manifest,
        snapshot=teacher_snapshot,
    output:
        rationales="results/prompts/{dataset}/{teacher}/{prompt}.jsonl",
    log:
        "results/logs/compare_prompts/{dataset}/{teacher}/{prompt}.log",
    benchmark:
        "results/benchmarks/compare_prompts/{dataset}/{teacher}/{prompt}.tsv"
    conda:
        "../envs/vllm.yaml"
    resources:
        gpu=GPUS,
    params:
        code=code("compare_prompts.py"),
        teacher=lookup(dpath="teachers/{teacher}", within=config),
        hardware=config["hardware"],
        size=lookup(dpath="prompts/slice", within=config),
    script:
        "../workflow/scripts/compare_prompts.py"


rule choose_prompts:
    """Choose the prompt that gives each teacher its best verified yield."""
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
    conda:
        "../envs/data.yaml"
    params:
        code=code("choose_prompts.py"),
        pinned=lookup(dpath="prompts/pinned", within=config),
    script:
        "../workflow/scripts/choose_prompts.py"
