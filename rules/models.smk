"""Base models with their tokenizers, and adapters of teachers, as plain folders that every later stage reads.

INPUT   the hub at a pinned revision, a local folder, or a generator of text to train from scratch
OUTPUT  results/models/{model}/snapshot/ and results/models/{model}/manifest.json,
        results/teachers/{teacher}/adapter/ and results/teachers/{teacher}/manifest.json
"""


rule pretrain_model:
    """Train a tiny base model and its tokenizer from scratch on generated text."""
    output:
        snapshot=directory("results/models/{model}/snapshot"),
        manifest="results/models/{model}/manifest.json",
    log:
        "results/logs/pretrain_model/{model}.log",
    benchmark:
        "results/benchmarks/pretrain_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(SCRATCH_MODELS),
    conda:
        "../envs/train.yaml"
    threads: 2
    params:
        code=code("pretrain_model.py"),
        settings=lookup(dpath="models/{model}", within=config),
    script:
        "../workflow/scripts/pretrain_model.py"


rule fetch_model:
    """Put a model from the hub (at a pinned revision) or from a local folder in its place."""
    input:
        record=record_of_model,
        template=template_of_model,
    output:
        snapshot=directory("results/models/{model}/snapshot"),
        manifest="results/models/{model}/manifest.json",
    log:
        "results/logs/fetch_model/{model}.log",
    benchmark:
        "results/benchmarks/fetch_model/{model}.tsv"
    wildcard_constraints:
        model=one_of(FETCHED_MODELS),
    localrule: True  # where the driver runs there is a network
    conda:
        "../envs/data.yaml"
    params:
        code=code("fetch_model.py"),
        settings=lookup(dpath="models/{model}", within=config),
        checksums=CHECKSUMS,
    script:
        "../workflow/scripts/fetch_model.py"


rule fetch_adapter:
    """Put the adapter of a teacher from the hub (at a pinned revision) or from a local folder in its place."""
    input:
        record=record_of_adapter,
        local=local_adapter,
        base=teacher_manifest,
        snapshot=teacher_snapshot,
    output:
        adapter="results/teachers/{teacher}/adapter/adapter_model.safetensors",
        settings="results/teachers/{teacher}/adapter/adapter_config.json",
        manifest="results/teachers/{teacher}/manifest.json",
    log:
        "results/logs/fetch_adapter/{teacher}.log",
    benchmark:
        "results/benchmarks/fetch_adapter/{teacher}.tsv"
    wildcard_constraints:
        teacher=one_of(ADAPTER_TEACHERS),
    localrule: True  # as above
    conda:
        "../envs/data.yaml"
    params:
        code=code("fetch_adapter.py"),
        settings=lookup(dpath="teachers/{teacher}/adapter", within=config),
        checksums=CHECKSUMS,
    script:
        "../workflow/scripts/fetch_adapter.py"
