"""Sampled answers of the teachers, and the verdict on each of them.

INPUT   results/data/{dataset}/{train,dev}.parquet, results/prompts/{dataset}/choice.json, results/models/{model}/
OUTPUT  results/rationales/{dataset}/{teacher}/shard-{shard}.jsonl
        results/rationales/{dataset}/verified.parquet, results/rationales/{dataset}/card.json
"""


rule sample_rationales:
    """Sample several answers per problem from one teacher, for one shard of the problems."""
    input:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        choice="results/prompts/{dataset}/choice.json",
        prompts=[prompt_file(name) for name in CANDIDATE_PROMPTS],
        manifest=teacher_manifest,
        snapshot=teacher_snapshot,
    output:
        rationales="results/rationales/{dataset}/{teacher}/shard-{shard}.jsonl",
    log:
        "results/logs/sample_rationales/{dataset}/{teacher}/shard-{shard}.log",
    benchmark:
        "results/benchmarks/sample_rationales/{dataset}/{teacher}/shard-{shard}.tsv"
    conda:
        "../envs/vllm.yaml"
    resources:
        gpu=GPUS,
    params:
        code=code("sample_rationales.py"),
        teacher=lookup(dpath="teachers/{teacher}", within=config),
        hardware=config["hardware"],
        shards=config["rationales"]["shards"],
    script:
        "../workflow/scripts/sample_rationales.py"


rule verify_rationales:
    """Read each sample's answer, compare it with gold or run the verifier, and count everything."""
    input:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        rationales=collect(
            "results/rationales/{{dataset}}/{teacher}/shard-{shard}.jsonl",
            teacher=TEACHERS,
            shard=SHARDS,
        ),
    output:
        verified="results/rationales/{dataset}/verified.parquet",
        card="results/rationales/{dataset}/card.json",
    log:
        "results/logs/verify_rationales/{dataset}.log",
    benchmark:
        "results/benchmarks/verify_rationales/{dataset}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=code("verify_rationales.py"),
        settings=config["rationales"],
    script:
        "../workflow/scripts/verify_rationales.py"
