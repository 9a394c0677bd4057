"""Figures, the checks on the results, and the one page that tells what was found.

INPUT   results/analysis/*
OUTPUT  results/figures/{figure}.{svg,pdf,png,csv}, results/checks.json, results/report.html
"""


rule plot:
    """Draw one figure from the table of the same name."""
    input:
        table="results/analysis/{figure}.csv",
        style=part("workflow/report/figures.mplstyle"),
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
    script:
        "../workflow/scripts/plot_{wildcards.figure}.py"


rule check_results:
    """Test the results: every table whole and finite, every number where it should be."""
    input:
        tables=collect("results/analysis/{table}.csv", table=TABLES),
        samples=SAMPLES,
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


rule render_report:
    """Put tables, figures, examples and provenance on one self-contained page."""
    input:
        tables=collect("results/analysis/{table}.csv", table=TABLES),
        figures=collect("results/figures/{figure}.svg", figure=FIGURES),
        captions=collect("results/figures/{figure}.json", figure=FIGURES),
        examples="results/analysis/examples.json",
        provenance="results/analysis/provenance.json",
        checks="results/checks.json",
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
