"""Tidy tables of what was found: estimates, paired comparisons, rewards, sweeps, curves, costs, jobs, counts, examples.

INPUT   results/evaluation/**, results/sweeps/**, results/adapters/**/{curves.parquet,run.json}, results/**/card.json
OUTPUT  results/analysis/{table}.csv, results/analysis/{examples,provenance}.json, results/analysis/samples.jsonl.gz
"""


rule estimate_scores:
    """Estimate every policy's score on every task with cluster-bootstrap intervals."""
    input:
        answers=ANSWERS,
    output:
        accuracy="results/analysis/accuracy.csv",
        categories="results/analysis/categories.csv",
    log:
        "results/logs/estimate_scores.log",
    benchmark:
        "results/benchmarks/estimate_scores.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("estimate_scores.py"),
        settings=config["analysis"],
    script:
        "../workflow/scripts/estimate_scores.py"


rule compare_methods:
    """Compare methods on the same problems: paired differences, McNemar's test, Holm's correction."""
    input:
        answers=ANSWERS,
    output:
        deltas="results/analysis/deltas.csv",
    log:
        "results/logs/compare_methods.log",
    benchmark:
        "results/benchmarks/compare_methods.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("compare_methods.py"),
        settings=config["analysis"],
        primary=config["study"]["primary"],
        tasks=ASKED,
    script:
        "../workflow/scripts/compare_methods.py"


rule compare_subsets:
    """Estimate every policy on all problems, on those that training has seen, and on the clean rest."""
    input:
        answers=ANSWERS,
        contamination=collect(
            "results/data/{dataset}/contamination.parquet", dataset=config["train"]["datasets"]
        ),
    output:
        subsets="results/analysis/subsets.csv",
    log:
        "results/logs/compare_subsets.log",
    benchmark:
        "results/benchmarks/compare_subsets.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("compare_subsets.py"),
        settings=config["analysis"],
        datasets=config["train"]["datasets"],
    script:
        "../workflow/scripts/compare_subsets.py"


rule estimate_rewards:
    """Estimate how often the reward model ranks a right answer above a wrong one."""
    input:
        pairs=REWARD_PAIRS,
    output:
        rewards="results/analysis/rewards.csv",
    log:
        "results/logs/estimate_rewards.log",
    benchmark:
        "results/benchmarks/estimate_rewards.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("estimate_rewards.py"),
        settings=config["analysis"],
    script:
        "../workflow/scripts/estimate_rewards.py"


rule rank_methods:
    """Compare every two policies on every task, and give each a range of places."""
    input:
        answers=ANSWERS,
    output:
        pairs="results/analysis/pairs.csv",
        ranks="results/analysis/ranks.csv",
    log:
        "results/logs/rank_methods.log",
    benchmark:
        "results/benchmarks/rank_methods.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("rank_methods.py"),
        settings=config["analysis"],
    script:
        "../workflow/scripts/rank_methods.py"


rule compare_categories:
    """Compare every trained policy with the base within each category and each rule."""
    input:
        answers=ANSWERS,
    output:
        deltas="results/analysis/category_deltas.csv",
    log:
        "results/logs/compare_categories.log",
    benchmark:
        "results/benchmarks/compare_categories.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("compare_categories.py"),
        settings=config["analysis"],
    script:
        "../workflow/scripts/compare_categories.py"


rule estimate_calibration:
    """Estimate how far each policy's confidence can be believed where options are scored."""
    input:
        answers=ANSWERS,
    output:
        calibration="results/analysis/calibration.csv",
        reliability="results/analysis/reliability.csv",
        selective="results/analysis/selective.csv",
    log:
        "results/logs/estimate_calibration.log",
    benchmark:
        "results/benchmarks/estimate_calibration.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("estimate_calibration.py"),
        settings=config["analysis"],
    script:
        "../workflow/scripts/estimate_calibration.py"


rule estimate_lengths:
    """Estimate how long answers are, and what length has to do with being right."""
    input:
        answers=ANSWERS,
    output:
        lengths="results/analysis/lengths.csv",
    log:
        "results/logs/estimate_lengths.log",
    benchmark:
        "results/benchmarks/estimate_lengths.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("estimate_lengths.py"),
        settings=config["analysis"],
    script:
        "../workflow/scripts/estimate_lengths.py"


rule estimate_noise:
    """Estimate what differs between two scorings that should not differ."""
    input:
        answers=ANSWERS,
        again=ANSWERS_AGAIN,
    output:
        noise="results/analysis/noise.csv",
    log:
        "results/logs/estimate_noise.log",
    benchmark:
        "results/benchmarks/estimate_noise.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("estimate_noise.py"),
        by=BACKEND_AGAIN["kind"],
        settings=config["analysis"],
    script:
        "../workflow/scripts/estimate_noise.py"


rule estimate_frontier:
    """Estimate what scorers make of the answers, beside the divergence from the base."""
    input:
        scores=ANSWER_SCORES,
    output:
        frontier="results/analysis/frontier.csv",
    log:
        "results/logs/estimate_frontier.log",
    benchmark:
        "results/benchmarks/estimate_frontier.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("estimate_frontier.py"),
        settings=config["analysis"],
    script:
        "../workflow/scripts/estimate_frontier.py"


rule estimate_wins:
    """Estimate how often a judge finds a policy's answer better than the base's."""
    input:
        answers=ANSWERS_TO_JUDGE,
        judged=JUDGED_ANSWERS,
    output:
        wins="results/analysis/wins.csv",
    log:
        "results/logs/estimate_wins.log",
    benchmark:
        "results/benchmarks/estimate_wins.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("estimate_wins.py"),
        judge=ANSWER_JUDGE,
        settings=config["analysis"],
    script:
        "../workflow/scripts/estimate_wins.py"


rule collect_baselines:
    """Gather what guessing scores on every task."""
    input:
        cards=collect("results/data/{dataset}/card.json", dataset=TESTED_DATASETS),
    output:
        baselines="results/analysis/baselines.csv",
    log:
        "results/logs/collect_baselines.log",
    benchmark:
        "results/benchmarks/collect_baselines.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_baselines.py"),
        tasks=ASKED,
    script:
        "../workflow/scripts/collect_baselines.py"


rule collect_sweeps:
    """Gather every trial of every sweep on dev, and what was chosen."""
    input:
        choices=CHOICES,
        trials=TRIALS_OF_STUDY,
    output:
        sweeps="results/analysis/sweeps.csv",
    log:
        "results/logs/collect_sweeps.log",
    benchmark:
        "results/benchmarks/collect_sweeps.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_sweeps.py"),
    script:
        "../workflow/scripts/collect_sweeps.py"


rule collect_curves:
    """Gather the training curves of every run."""
    input:
        curves=collect("{run}/curves.parquet", run=RUNS),
    output:
        curves="results/analysis/curves.csv",
    log:
        "results/logs/collect_curves.log",
    benchmark:
        "results/benchmarks/collect_curves.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_curves.py"),
    script:
        "../workflow/scripts/collect_curves.py"


rule collect_costs:
    """Gather time, memory and throughput of every training run."""
    input:
        runs=collect("{run}/run.json", run=RUNS),
    output:
        costs="results/analysis/costs.csv",
    log:
        "results/logs/collect_costs.log",
    benchmark:
        "results/benchmarks/collect_costs.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_costs.py"),
        usd_per_gpu_hour=lookup(dpath="prices/usd_per_gpu_hour", within=config),
    script:
        "../workflow/scripts/collect_costs.py"


rule estimate_efficiency:
    """Divide what each method gains over the base by what its adapters cost."""
    input:
        deltas="results/analysis/deltas.csv",
        costs="results/analysis/costs.csv",
    output:
        efficiency="results/analysis/efficiency.csv",
        scaling="results/analysis/scaling.csv",
    log:
        "results/logs/estimate_efficiency.log",
    benchmark:
        "results/benchmarks/estimate_efficiency.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("estimate_efficiency.py"),
        methods=METHODS,
        shares=SHARES,
    script:
        "../workflow/scripts/estimate_efficiency.py"


rule collect_funnel:
    """Gather the rows in and out of every stage, with the reasons."""
    input:
        cards=CARDS,
    output:
        funnel="results/analysis/funnel.csv",
    log:
        "results/logs/collect_funnel.log",
    benchmark:
        "results/benchmarks/collect_funnel.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_funnel.py"),
    script:
        "../workflow/scripts/collect_funnel.py"


rule collect_examples:
    """Choose held-out problems, by seed, to show the answers of every method side by side."""
    input:
        answers=ANSWERS,
    output:
        examples="results/analysis/examples.json",
    log:
        "results/logs/collect_examples.log",
    benchmark:
        "results/benchmarks/collect_examples.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_examples.py"),
        settings=config["analysis"],
    script:
        "../workflow/scripts/collect_examples.py"


rule pack_samples:
    """Pack every outcome, and as many texts as a page has room for, for the sample browser."""
    input:
        answers=ANSWERS,
        contamination=collect(
            "results/data/{dataset}/contamination.parquet", dataset=config["train"]["datasets"]
        ),
    output:
        packed="results/analysis/samples.jsonl.gz",
    log:
        "results/logs/pack_samples.log",
    benchmark:
        "results/benchmarks/pack_samples.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("pack_samples.py"),
        settings=config["analysis"],
        datasets=config["train"]["datasets"],
    script:
        "../workflow/scripts/pack_samples.py"


rule collect_provenance:
    """Gather versions, revisions, digests, settings and commands."""
    input:
        manifests=MANIFESTS,
        runs=collect("{run}/run.json", run=RUNS),
        evaluations=EVALUATIONS,
    output:
        provenance="results/analysis/provenance.json",
        config="results/config.yaml",
    log:
        "results/logs/collect_provenance.log",
    benchmark:
        "results/benchmarks/collect_provenance.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_provenance.py"),
        config=config,
    script:
        "../workflow/scripts/collect_provenance.py"


rule collect_jobs:
    """Gather when each job ran, what it used, and what its rule should ask for."""
    input:
        tables=collect("results/analysis/{table}.csv", table=OTHER_TABLES),
        examples="results/analysis/examples.json",
        packed="results/analysis/samples.jsonl.gz",
        provenance="results/analysis/provenance.json",
    output:
        timeline="results/analysis/timeline.csv",
        resources="results/analysis/resources.csv",
    log:
        "results/logs/collect_jobs.log",
    benchmark:
        "results/benchmarks/collect_jobs.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("collect_jobs.py"),
    script:
        "../workflow/scripts/collect_jobs.py"
