"""What the methods learn from: completions to imitate, pairs to prefer, prompts to practise on.

INPUT   results/data/{dataset}/{train,dev}.parquet, results/rationales/{dataset}/verified.parquet
OUTPUT  results/preferences/{dataset}/{sft,pairs,prompts}.parquet and card.json
"""


rule build_preferences:
    """Turn verified rationales into SFT rows, chosen/rejected pairs and prompts."""
    input:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        verified="results/rationales/{dataset}/verified.parquet",
        prompt=prompt_file(config["prompts"]["student"]),
    output:
        sft="results/preferences/{dataset}/sft.parquet",
        pairs="results/preferences/{dataset}/pairs.parquet",
        prompts="results/preferences/{dataset}/prompts.parquet",
        card="results/preferences/{dataset}/card.json",
    log:
        "results/logs/build_preferences/{dataset}.log",
    benchmark:
        "results/benchmarks/build_preferences/{dataset}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=code("build_preferences.py"),
        settings=config["preferences"],
    script:
        "../workflow/scripts/build_preferences.py"
