"""One LoRA adapter per dataset, model, method and seed; the method names the script.

INPUT   results/preferences/{dataset}/{sft,pairs,prompts}.parquet, results/models/{model}/,
        and the adapters a method starts from or is rewarded by
OUTPUT  results/adapters/{dataset}/{model}/{method}/seed-{seed}/ (PEFT layout, tokenizer, model card)
        with curves.parquet and run.json
"""


rule train:
    """Train one adapter with one method and one seed."""
    input:
        rows=rows_of_method,
        start=start_of_method,
        reward=reward_of_method,
        manifest="results/models/{model}/manifest.json",
        snapshot="results/models/{model}/snapshot",
    output:
        adapter="results/adapters/{dataset}/{model}/{method}/seed-{seed}/adapter_model.safetensors",
        settings="results/adapters/{dataset}/{model}/{method}/seed-{seed}/adapter_config.json",
        tokenizer="results/adapters/{dataset}/{model}/{method}/seed-{seed}/tokenizer.json",
        card="results/adapters/{dataset}/{model}/{method}/seed-{seed}/README.md",
        curves="results/adapters/{dataset}/{model}/{method}/seed-{seed}/curves.parquet",
        run="results/adapters/{dataset}/{model}/{method}/seed-{seed}/run.json",
    log:
        "results/logs/train/{dataset}/{model}/{method}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/train/{dataset}/{model}/{method}/seed-{seed}.tsv"
    conda:
        "../envs/train.yaml"
    resources:
        gpu=GPUS,
    params:
        code=code("train_{method}.py"),
        settings=lookup(dpath="methods/{method}", within=config),
        lora=config["lora"],
        hardware=config["hardware"],
    script:
        "../workflow/scripts/train_{wildcards.method}.py"
