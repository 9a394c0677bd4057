"""Rounds of a method: its adapter answers, its answers are verified and paired, and it is trained on them.

INPUT   results/adapters/{dataset}/{model}/{method}/seed-{seed}/ of the round before, results/data/{dataset}/,
        results/models/{model}/; the scripts are those of the first round
OUTPUT  results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/rationales/, preferences/ and card.json;
        the adapter of the round is that of the method {method}-round-{round}
"""


use rule sample_rationales as sample_round with:
    input:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        choice=[],  # there is one prompt: the student's
        prompts=[prompt_file(config["prompts"]["student"])],
        adapter=adapter_before,
        manifest="results/models/{model}/manifest.json",
        snapshot="results/models/{model}/snapshot",
    output:
        rationales="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/rationales/shard-{shard}.jsonl",
    log:
        "results/logs/sample_round/{dataset}/{model}/{method}/seed-{seed}/round-{round}/shard-{shard}.log",
    benchmark:
        "results/benchmarks/sample_round/{dataset}/{model}/{method}/seed-{seed}/round-{round}/shard-{shard}.tsv"
    resources:
        gpu=GPUS * config["hardware"]["vllm_tensor_parallel"],
    params:
        name=policy_before,
        teacher=sampling_of_round,
        hardware=ENGINE_HARDWARE,


use rule hint_failed as hint_round with:
    input:
        train="results/data/{dataset}/train.parquet",
        rationales="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/rationales/shard-{shard}.jsonl",
        prompt=hint_prompt,
        adapter=adapter_before,
        manifest="results/models/{model}/manifest.json",
        snapshot="results/models/{model}/snapshot",
    output:
        hinted="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/rationales/hinted-{shard}.jsonl",
    log:
        "results/logs/hint_round/{dataset}/{model}/{method}/seed-{seed}/round-{round}/hinted-{shard}.log",
    benchmark:
        "results/benchmarks/hint_round/{dataset}/{model}/{method}/seed-{seed}/round-{round}/hinted-{shard}.tsv"
    resources:
        gpu=GPUS * config["hardware"]["vllm_tensor_parallel"],
    params:
        name=policy_before,
        teacher=sampling_of_round,
        hardware=ENGINE_HARDWARE,


use rule verify_rationales as verify_round with:
    input:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        rationales=collect(
            "results/rounds/{{dataset}}/{{model}}/{{method}}/seed-{{seed}}/round-{{round}}/rationales/shard-{shard}.jsonl",
            shard=SHARDS,
        ),
        hinted=collect(
            "results/rounds/{{dataset}}/{{model}}/{{method}}/seed-{{seed}}/round-{{round}}/rationales/hinted-{shard}.jsonl",
            shard=HINTED_SHARDS,
        ),
        judged=[],  # rationales.judge is for the teachers
    output:
        verified="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/rationales/verified.parquet",
        problems="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/rationales/problems.parquet",
        card="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/rationales/card.json",
    log:
        "results/logs/verify_round/{dataset}/{model}/{method}/seed-{seed}/round-{round}.log",
    benchmark:
        "results/benchmarks/verify_round/{dataset}/{model}/{method}/seed-{seed}/round-{round}.tsv"


use rule build_preferences as pair_round with:
    input:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        verified="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/rationales/verified.parquet",
        prompt=prompt_file(config["prompts"]["student"]),
    output:
        sft="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/preferences/sft.parquet",
        pairs="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/preferences/pairs.parquet",
        prompts="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/preferences/prompts.parquet",
        card="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/preferences/card.json",
    log:
        "results/logs/pair_round/{dataset}/{model}/{method}/seed-{seed}/round-{round}.log",
    benchmark:
        "results/benchmarks/pair_round/{dataset}/{model}/{method}/seed-{seed}/round-{round}.tsv"


rule check_round:
    """Compare a round's verified yield with that of the round before, and stop the study if it fell too far."""
    input:
        verified="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/rationales/verified.parquet",
        before=rationales_before,
        rationales="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/rationales/card.json",
        preferences="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/preferences/card.json",
    output:
        card="results/rounds/{dataset}/{model}/{method}/seed-{seed}/round-{round}/card.json",
    log:
        "results/logs/check_round/{dataset}/{model}/{method}/seed-{seed}/round-{round}.log",
    benchmark:
        "results/benchmarks/check_round/{dataset}/{model}/{method}/seed-{seed}/round-{round}.tsv"
    localrule: True  # seconds, between two stages that compute
    conda:
        "../envs/data.yaml"
    params:
        code=code("check_round.py"),
        name=policy_before,
        names_before=names_before,
        hint=config["rationales"]["hint_failed"],
        settings=lookup(dpath="rounds/{method}", within=config),
    script:
        "../workflow/scripts/check_round.py"
