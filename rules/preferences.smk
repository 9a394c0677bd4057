"""What the methods learn from: completions to imitate, pairs to prefer, prompts to practise on.

INPUT   results/data/{dataset}/{train,dev}.parquet, results/rationales/{dataset}/verified.parquet
OUTPUT  results/preferences/{dataset}/{sft,pairs,prompts}.parquet and card.json
        results/preferences/{dataset}/export/ (JSON Lines in the formats of TRL and OpenAI, on request)
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
    wildcard_constraints:
        dataset=one_of(SAMPLED_DATASETS),
    conda:
        "../envs/data.yaml"
    params:
        code=code("build_preferences.py"),
        settings=config["preferences"],
    script:
        "../workflow/scripts/build_preferences.py"


rule take_given_pairs:
    """Take the chosen/rejected pairs that a dataset brings along, as SFT rows and prompts too."""
    input:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        prompt=prompt_file(config["prompts"]["student"]),
    output:
        sft="results/preferences/{dataset}/sft.parquet",
        pairs="results/preferences/{dataset}/pairs.parquet",
        prompts="results/preferences/{dataset}/prompts.parquet",
        card="results/preferences/{dataset}/card.json",
    log:
        "results/logs/take_given_pairs/{dataset}.log",
    benchmark:
        "results/benchmarks/take_given_pairs/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(PAIRED_DATASETS),
    conda:
        "../envs/data.yaml"
    params:
        code=code("take_given_pairs.py"),
        settings=config["preferences"],
    script:
        "../workflow/scripts/take_given_pairs.py"


rule take_prompts:
    """Take prompts from the first tokens of texts, and the rest of them as SFT rows; no pairs."""
    input:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        prompt=prompt_file(config["prompts"]["student"]),
    output:
        sft="results/preferences/{dataset}/sft.parquet",
        pairs="results/preferences/{dataset}/pairs.parquet",
        prompts="results/preferences/{dataset}/prompts.parquet",
        card="results/preferences/{dataset}/card.json",
    log:
        "results/logs/take_prompts/{dataset}.log",
    benchmark:
        "results/benchmarks/take_prompts/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(PASSAGE_DATASETS),
    conda:
        "../envs/data.yaml"
    params:
        code=code("take_prompts.py"),
        settings=config["preferences"],
    script:
        "../workflow/scripts/take_prompts.py"


rule export_preferences:
    """Write the preferences of a dataset in TRL's and OpenAI's formats, with a card, as a folder to share."""
    input:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        data="results/data/{dataset}/card.json",
        sft="results/preferences/{dataset}/sft.parquet",
        pairs="results/preferences/{dataset}/pairs.parquet",
        prompts="results/preferences/{dataset}/prompts.parquet",
        card="results/preferences/{dataset}/card.json",
    output:
        export=directory("results/preferences/{dataset}/export"),
    log:
        "results/logs/export_preferences/{dataset}.log",
    benchmark:
        "results/benchmarks/export_preferences/{dataset}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=code("export_preferences.py"),
        teachers=config["teachers"],
    script:
        "../workflow/scripts/export_preferences.py"
