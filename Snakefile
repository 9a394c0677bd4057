"""Plumbline: which way of aligning a language model makes it reason better, by how much, at what cost."""

from snakemake.utils import min_version

min_version("9.27")


include: "rules/common.smk"
include: "rules/inputs.smk"
include: "rules/check.smk"
include: "rules/data.smk"
include: "rules/models.smk"
include: "rules/prompts.smk"
include: "rules/rationales.smk"
include: "rules/preferences.smk"
include: "rules/sweeps.smk"
include: "rules/training.smk"
include: "rules/publishing.smk"
include: "rules/rounds.smk"
include: "rules/evaluation.smk"
include: "rules/analysis.smk"
include: "rules/report.smk"


rule all:
    """Make the report of the study, its figures, and the checks on its results."""
    default_target: True
    input:
        "results/report.html",
        "results/checks.json",
        "results/ro-crate-metadata.json",
        collect("results/figures/{figure}.pdf", figure=FIGURES),


rule figures:
    """Make every figure as SVG, PDF, PNG and CSV."""
    input:
        collect("results/figures/{figure}.pdf", figure=FIGURES),
