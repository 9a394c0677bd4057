"""One LoRA adapter per dataset, model, method and seed; the method's trainer names the script.

INPUT   results/preferences/{dataset}/{sft,pairs,prompts}.parquet (or those of a round), results/models/{model}/,
        the adapters a method starts from or is rewarded by, and the settings that a sweep chose for it
OUTPUT  results/adapters/{dataset}/{model}/{method}/seed-{seed}/ (PEFT layout, tokenizer, model card)
        with curves.parquet and run.json
"""


rule train:
    """Train one adapter with one method and one seed."""
    input:
        rows=rows_of_method,
        start=start_of_method,
        reward=reward_of_method,
        judges=judges_of_method,
        choice=choice_of_method,
        gate=gate_of_method,
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
    threads: TRAINING_CORES
    resources:
        **SPREAD,
        gpu=TRAINING_GPUS,
    params:
        code=code("train_{trainer}.py"),
        script=script_of_method,
        settings=settings_of_method,
        lora=config["lora"],
        hardware=TRAINING_HARDWARE,
        shared=shared_of_method,
    script:
        "../workflow/family.py"
