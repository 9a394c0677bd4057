"""Raw files of every dataset, and the same problem schema and splits for all of them.

INPUT   the sources that the config names (hub files at a revision, local files, or a generator)
OUTPUT  results/raw/{dataset}/manifest.json and the files it lists
        results/data/{dataset}/{train,dev,test}.parquet, the same as .jsonl, and card.json
"""


rule generate_dataset:
    """Write a generated dataset in the file format of the real one it stands in for."""
    output:
        manifest="results/raw/{dataset}/manifest.json",
        files=directory("results/raw/{dataset}/files"),
    log:
        "results/logs/generate_dataset/{dataset}.log",
    benchmark:
        "results/benchmarks/generate_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(GENERATED_DATASETS),
    conda:
        "../envs/data.yaml"
    params:
        code=code("generate_dataset.py"),
        settings=lookup(dpath="datasets/{dataset}", within=config),
    script:
        "../workflow/scripts/generate_dataset.py"


rule fetch_dataset:
    """Copy a dataset's files from the hub (at a pinned revision) or from a local folder, with digests."""
    input:
        files=local_files_of,
    output:
        manifest="results/raw/{dataset}/manifest.json",
        files=directory("results/raw/{dataset}/files"),
    log:
        "results/logs/fetch_dataset/{dataset}.log",
    benchmark:
        "results/benchmarks/fetch_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(FETCHED_DATASETS),
    conda:
        "../envs/data.yaml"
    params:
        code=code("fetch_dataset.py"),
        settings=lookup(dpath="datasets/{dataset}", within=config),
    script:
        "../workflow/scripts/fetch_dataset.py"


rule normalise_dataset:
    """Read raw rows into problems, drop duplicates, split by group, and count every row."""
    input:
        manifest="results/raw/{dataset}/manifest.json",
        files="results/raw/{dataset}/files",
    output:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        test="results/data/{dataset}/test.parquet",
        exports=collect("results/data/{{dataset}}/{split}.jsonl", split=SPLITS),
        card="results/data/{dataset}/card.json",
    log:
        "results/logs/normalise_dataset/{dataset}.log",
    benchmark:
        "results/benchmarks/normalise_dataset/{dataset}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=code("normalise_dataset.py"),
        settings=lookup(dpath="datasets/{dataset}", within=config),
    script:
        "../workflow/scripts/normalise_dataset.py"
