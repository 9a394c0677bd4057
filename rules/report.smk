"""Figures, the checks on the results, and the one page that tells what was found.

INPUT   results/analysis/*
OUTPUT  results/figures/{figure}.{svg,pdf,png,csv}, results/checks.json, results/methods.md,
        results/references.bib, results/report.html, results/ro-crate-metadata.json
"""


rule plot:
    """Draw one figure from the table of the same name."""
    input:
        table="results/analysis/{figure}.csv",
        style=STYLE,
    output:
        svg="results/figures/{figure}.svg",
        pdf="results/figures/{figure}.pdf",
        png="results/figures/{figure}.png",
        csv="results/figures/{figure}.csv",
        caption="results/figures/{figure}.json",
    log:
        "results/logs/plot/{figure}.log",
    benchmark:
        "results/benchmarks/plot/{figure}.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("plot_{figure}.py"),
        script="plot_{figure}",
    script:
        "../workflow/family.py"


rule check_results:
    """Test the results: every table whole and finite, every number where it should be."""
    input:
        tables=collect("results/analysis/{table}.csv", table=TABLES),
        answers=ANSWERS,
        learned=PREFERENCES,
        invariants=part("tests/results/test_results.py"),
    output:
        checks="results/checks.json",
    log:
        "results/logs/check_results.log",
    benchmark:
        "results/benchmarks/check_results.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("check_results.py"),
        config=config,
    script:
        "../workflow/scripts/check_results.py"


rule write_methods:
    """Write the methods of the study in words, with BibTeX of all that it uses."""
    input:
        provenance="results/analysis/provenance.json",
        cards=collect("results/data/{dataset}/card.json", dataset=config["datasets"]),
        template=part("workflow/report/methods.md.j2"),
        library=part("workflow/report/references.bib"),
    output:
        methods="results/methods.md",
        references="results/references.bib",
    log:
        "results/logs/write_methods.log",
    benchmark:
        "results/benchmarks/write_methods.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("write_methods.py"),
    script:
        "../workflow/scripts/write_methods.py"


rule render_report:
    """Put tables, figures, examples and provenance on one self-contained page."""
    input:
        tables=collect("results/analysis/{table}.csv", table=TABLES),
        figures=collect("results/figures/{figure}.svg", figure=FIGURES),
        captions=collect("results/figures/{figure}.json", figure=FIGURES),
        examples="results/analysis/examples.json",
        samples="results/analysis/samples.jsonl.gz",
        provenance="results/analysis/provenance.json",
        checks="results/checks.json",
        methods="results/methods.md",
        references="results/references.bib",
        cards=CARDS,
        templates=REPORT_TEMPLATES,
    output:
        report=report("results/report.html", category="Report"),
    log:
        "results/logs/render_report.log",
    benchmark:
        "results/benchmarks/render_report.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("render_report.py"),
        study=config["study"],
    script:
        "../workflow/scripts/render_report.py"


rule write_crate:
    """Describe the run and every file that it left as an RO-Crate."""
    input:
        report="results/report.html",
        checks="results/checks.json",
        methods="results/methods.md",
        references="results/references.bib",
        config="results/config.yaml",
        provenance="results/analysis/provenance.json",
        examples="results/analysis/examples.json",
        packed="results/analysis/samples.jsonl.gz",
        tables=collect("results/analysis/{table}.csv", table=TABLES),
        figures=collect(
            "results/figures/{figure}.{file}", figure=FIGURES, file=["svg", "pdf", "png", "csv", "json"]
        ),
        evaluations=EVALUATIONS,
        answers=ANSWERS,
        rewards=REWARD_PAIRS,
        cards=CARDS,
        manifests=MANIFESTS,
    output:
        crate="results/ro-crate-metadata.json",
    log:
        "results/logs/write_crate.log",
    benchmark:
        "results/benchmarks/write_crate.tsv"
    conda:
        "../envs/report.yaml"
    params:
        code=code("write_crate.py"),
        runs=RUNS,
    script:
        "../workflow/scripts/write_crate.py"
