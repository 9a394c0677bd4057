"""Sampled answers of the teachers, and the verdict on each of them.

INPUT   results/data/{dataset}/{train,dev}.parquet, results/prompts/{dataset}/choice.json, results/models/{model}/
OUTPUT  results/rationales/{dataset}/{teacher}/shard-{shard}.jsonl
        results/rationales/{dataset}/{teacher}/shard-{shard}.ledger.json (teachers behind an API)
        results/rationales/{dataset}/{teacher}/hinted-{shard}.jsonl (where rationales.hint_failed names a prompt)
        results/rationales/{dataset}/{verified,problems}.parquet, results/rationales/{dataset}/card.json
"""


localrules:
    ask_teacher,  # where the driver runs there are a network and the key


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
    wildcard_constraints:
        teacher=one_of(VLLM_TEACHERS),
    conda:
        "../envs/vllm.yaml"
    resources:
        gpu=TEACHER_GPUS,
    params:
        code=code("sample_rationales.py"),
        teacher=lookup(dpath="teachers/{teacher}", within=config),
        hardware=config["hardware"],
        shards=config["rationales"]["shards"],
        examples=config["prompts"]["examples"],
    script:
        "../workflow/scripts/sample_rationales.py"


rule ask_teacher:
    """Ask one teacher behind an API for several answers per problem, for one shard of the problems."""
    input:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        choice="results/prompts/{dataset}/choice.json",
        prompts=[prompt_file(name) for name in CANDIDATE_PROMPTS],
    output:
        rationales="results/rationales/{dataset}/{teacher}/shard-{shard}.jsonl",
        ledger="results/rationales/{dataset}/{teacher}/shard-{shard}.ledger.json",
    log:
        "results/logs/ask_teacher/{dataset}/{teacher}/shard-{shard}.log",
    benchmark:
        "results/benchmarks/ask_teacher/{dataset}/{teacher}/shard-{shard}.tsv"
    wildcard_constraints:
        teacher=one_of(API_TEACHERS),
    conda:
        "../envs/api.yaml"
    resources:
        api=1,
    params:
        code=code("ask_teacher.py"),
        teacher=lookup(dpath="teachers/{teacher}", within=config),
        shards=config["rationales"]["shards"],
        examples=config["prompts"]["examples"],
    script:
        "../workflow/scripts/ask_teacher.py"


rule hint_failed:
    """Ask one teacher again, with the answer as a hint, what no teacher answered right in one shard of train."""
    input:
        train="results/data/{dataset}/train.parquet",
        rationales=collect(
            "results/rationales/{{dataset}}/{teacher}/shard-{{shard}}.jsonl",
            teacher=TEACHERS,
        ),
        prompt=hint_prompt,
        manifest=teacher_manifest,
        snapshot=teacher_snapshot,
    output:
        hinted="results/rationales/{dataset}/{teacher}/hinted-{shard}.jsonl",
    log:
        "results/logs/hint_failed/{dataset}/{teacher}/hinted-{shard}.log",
    benchmark:
        "results/benchmarks/hint_failed/{dataset}/{teacher}/hinted-{shard}.tsv"
    wildcard_constraints:
        teacher=one_of(HINTED_TEACHERS),
    conda:
        "../envs/vllm.yaml"
    resources:
        gpu=TEACHER_GPUS,
    params:
        code=code("hint_failed.py"),
        teacher=lookup(dpath="teachers/{teacher}", within=config),
        hardware=config["hardware"],
        examples=config["prompts"]["examples"],
    script:
        "../workflow/scripts/hint_failed.py"


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
        hinted=collect(
            "results/rationales/{{dataset}}/{teacher}/hinted-{shard}.jsonl",
            teacher=HINTED_TEACHERS,
            shard=SHARDS,
        ),
    output:
        verified="results/rationales/{dataset}/verified.parquet",
        problems="results/rationales/{dataset}/problems.parquet",
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
