"""Run the one script of a family, as all trainings or all figures, that a job's param ``script`` names.

Snakemake packs the scripts of all rules for jobs in a cloud, and looks for each under its name in the rule.
"""

from runpy import run_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

if __name__ == "__main__":
    run_module(
        f"workflow.scripts.{snakemake.params.script}", {"snakemake": snakemake}, "__main__", alter_sys=True
    )
