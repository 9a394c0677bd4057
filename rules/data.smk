"""Raw files of every dataset, and the same problem schema and splits for all of them.

INPUT   the sources that the config names (hub files at a revision, local files, or a generator)
OUTPUT  results/raw/{dataset}/manifest.json and the files it lists
        results/data/{dataset}/{train,dev,test}.parquet, the same as .jsonl, near.parquet, card.json
        results/data/{dataset}/contamination.parquet
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
        settings=recipe_of_dataset,
    script:
        "../workflow/scripts/generate_dataset.py"


rule fetch_dataset:
    """Fetch a dataset's files from the hub (at a pinned revision) or a local folder, with digests."""
    input:
        files=local_files_of,
        record=record_of_dataset,
    output:
        manifest="results/raw/{dataset}/manifest.json",
        files=directory("results/raw/{dataset}/files"),
    log:
        "results/logs/fetch_dataset/{dataset}.log",
    benchmark:
        "results/benchmarks/fetch_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(FETCHED_DATASETS),
    localrule: True  # where the driver runs there is a network
    conda:
        "../envs/data.yaml"
    params:
        code=code("fetch_dataset.py"),
        settings=origin_of_dataset,
        checksums=CHECKSUMS,
    script:
        "../workflow/scripts/fetch_dataset.py"


rule normalise_dataset:
    """Read raw rows into records, drop duplicates, split by group, and count every row."""
    input:
        manifest="results/raw/{dataset}/manifest.json",
        files="results/raw/{dataset}/files",
        models=tokenizer_manifests,
    output:
        train="results/data/{dataset}/train.parquet",
        dev="results/data/{dataset}/dev.parquet",
        test="results/data/{dataset}/test.parquet",
        train_jsonl="results/data/{dataset}/train.jsonl",
        dev_jsonl="results/data/{dataset}/dev.jsonl",
        test_jsonl="results/data/{dataset}/test.jsonl",
        near="results/data/{dataset}/near.parquet",
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
        tokenizers=tokenizers_of_dataset,
    script:
        "../workflow/scripts/normalise_dataset.py"


rule find_contamination:
    """Find held-out problems of the study's tasks that a training split has word for word."""
    input:
        train="results/data/{dataset}/train.parquet",
        tests=collect("results/data/{dataset}/test.parquet", dataset=JUDGED_DATASETS),
    output:
        contamination="results/data/{dataset}/contamination.parquet",
    log:
        "results/logs/find_contamination/{dataset}.log",
    benchmark:
        "results/benchmarks/find_contamination/{dataset}.tsv"
    conda:
        "../envs/data.yaml"
    params:
        code=code("find_contamination.py"),
        settings=config["evaluation"]["contamination"],
    script:
        "../workflow/scripts/find_contamination.py"
