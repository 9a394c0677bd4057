"""Adapters as plain models, and on the model hub: targets of their own, which `all` never asks for.

INPUT   results/adapters/{dataset}/{model}/{method}/seed-{seed}/, results/models/{model}/
OUTPUT  results/merged/{dataset}/{model}/{method}/seed-{seed}/ (a model in the Hugging Face layout) and
        results/pushed/{dataset}/{model}/{method}/seed-{seed}.json (what was sent, and the commit)
"""


rule merge_adapter:
    """Merge one adapter into its base, and compare the logits of the two."""
    input:
        adapter="results/adapters/{dataset}/{model}/{method}/seed-{seed}/adapter_model.safetensors",
        settings="results/adapters/{dataset}/{model}/{method}/seed-{seed}/adapter_config.json",
        run="results/adapters/{dataset}/{model}/{method}/seed-{seed}/run.json",
        manifest="results/models/{model}/manifest.json",
        snapshot="results/models/{model}/snapshot",
    output:
        merged=directory("results/merged/{dataset}/{model}/{method}/seed-{seed}"),
    log:
        "results/logs/merge_adapter/{dataset}/{model}/{method}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/merge_adapter/{dataset}/{model}/{method}/seed-{seed}.tsv"
    wildcard_constraints:
        method=one_of(TRAINED_POLICIES),
    conda:
        "../envs/train.yaml"
    resources:
        gpu=GPUS,
    params:
        code=code("merge_adapter.py"),
        hardware=config["hardware"],
    script:
        "../workflow/scripts/merge_adapter.py"


rule push_adapter:
    """Send one adapter to the model hub; needs a token in the environment."""
    input:
        adapter="results/adapters/{dataset}/{model}/{method}/seed-{seed}/adapter_model.safetensors",
        settings="results/adapters/{dataset}/{model}/{method}/seed-{seed}/adapter_config.json",
        card="results/adapters/{dataset}/{model}/{method}/seed-{seed}/README.md",
        manifest="results/models/{model}/manifest.json",
    output:
        receipt="results/pushed/{dataset}/{model}/{method}/seed-{seed}.json",
    log:
        "results/logs/push_adapter/{dataset}/{model}/{method}/seed-{seed}.log",
    benchmark:
        "results/benchmarks/push_adapter/{dataset}/{model}/{method}/seed-{seed}.tsv"
    wildcard_constraints:
        method=one_of(METHODS),
    localrule: True  # where the driver runs there is a network
    conda:
        "../envs/data.yaml"
    params:
        code=code("push_adapter.py"),
        publish=config["publish"],
        name="{dataset}-{model}-{method}-seed-{seed}",
    script:
        "../workflow/scripts/push_adapter.py"
