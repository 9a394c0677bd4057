"""Sampled answers of the teachers, and the verdict on each of them.

INPUT   results/data/{dataset}/{train,dev}.parquet, results/prompts/{dataset}/choice.json, results/models/{model}/,
        results/teachers/{teacher}/ (teachers that are an adapter)
OUTPUT  results/rationales/{dataset}/{teacher}/shard-{shard}.jsonl
        results/rationales/{dataset}/{teacher}/shard-{shard}.ledger.json (teachers behind an API)
        results/rationales/{dataset}/{teacher}/hinted-{shard}.jsonl (where rationales.hint_failed names a prompt)
        results/rationales/{dataset}/{teacher}/judged-{shard}.jsonl and its ledger (where rationales.judge is set)
        results/rationales/{dataset}/{verified,problems}.parquet, results/rationales/{dataset}/card.json
"""


rule sample_rationales:
    """Sample several answers per problem from one teacher, for one shard of the problems."""
    input:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        choice="results/prompts/{dataset}/choice.json",
        prompts=[prompt_file(name) for name in CANDIDATE_PROMPTS],
        adapter=teacher_adapter,
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
        VLLM_ENVIRONMENT
    resources:
        gpu=gpus_of_teacher,
    params:
        code=code("sample_rationales.py"),
        name="{teacher}",
        teacher=sampling_of_teacher,
        hardware=hardware_of_teacher,
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
    localrule: True  # where the driver runs there are a network and the key
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
        adapter=teacher_adapter,
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
        VLLM_ENVIRONMENT
    resources:
        gpu=gpus_of_teacher,
    params:
        code=code("hint_failed.py"),
        name="{teacher}",
        teacher=sampling_of_teacher,
        hardware=hardware_of_teacher,
        examples=config["prompts"]["examples"],
    script:
        "../workflow/scripts/hint_failed.py"


rule judge_rationales:
    """Ask a teacher whether rationales of one shard come to their answers, and which of two is sounder."""
    input:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        rationales=rationales_for_judge,
        entails=entails_prompt,
        compare=compare_prompt,
        adapter=teacher_adapter,
        manifest=teacher_manifest,
        snapshot=teacher_snapshot,
    output:
        judged="results/rationales/{dataset}/{teacher}/judged-{shard}.jsonl",
    log:
        "results/logs/judge_rationales/{dataset}/{teacher}/judged-{shard}.log",
    benchmark:
        "results/benchmarks/judge_rationales/{dataset}/{teacher}/judged-{shard}.tsv"
    wildcard_constraints:
        teacher=one_of(name for name in JUDGES if name in VLLM_TEACHERS),
    conda:
        VLLM_ENVIRONMENT
    resources:
        gpu=gpus_of_teacher,
    params:
        code=code("judge_rationales.py"),
        teacher=sampling_of_teacher,
        hardware=hardware_of_teacher,
        settings=config["rationales"]["judge"],
    script:
        "../workflow/scripts/judge_rationales.py"


rule ask_judge:
    """Ask a teacher behind an API the same about rationales of one shard."""
    input:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        rationales=rationales_for_judge,
        entails=entails_prompt,
        compare=compare_prompt,
    output:
        judged="results/rationales/{dataset}/{teacher}/judged-{shard}.jsonl",
        ledger="results/rationales/{dataset}/{teacher}/judged-{shard}.ledger.json",
    log:
        "results/logs/ask_judge/{dataset}/{teacher}/judged-{shard}.log",
    benchmark:
        "results/benchmarks/ask_judge/{dataset}/{teacher}/judged-{shard}.tsv"
    wildcard_constraints:
        teacher=one_of(name for name in JUDGES if name in API_TEACHERS),
    localrule: True  # as above
    conda:
        "../envs/api.yaml"
    resources:
        api=1,
    params:
        code=code("ask_judge.py"),
        teacher=lookup(dpath="teachers/{teacher}", within=config),
        settings=config["rationales"]["judge"],
    script:
        "../workflow/scripts/ask_judge.py"


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
        judged=collect(
            "results/rationales/{{dataset}}/{teacher}/judged-{shard}.jsonl",
            teacher=JUDGES,
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
