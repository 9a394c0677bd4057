"""Train one adapter with the settings of one trial of a sweep, by the script of its method.

A numerical failure (a loss that is not finite, a policy that collapsed: exit code 5) is what a trial may find
out about its settings, so it is written down as the trial's outcome, and the sweep goes on. Any other error
ends the job as it would end a training.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.errors import NumericalError
from workflow.lib.files import write_json
from workflow.lib.logs import capture
from workflow.lib.lora import SETTINGS, WEIGHTS

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

OUTCOME = "trial.json"
FILES = {
    "adapter": WEIGHTS,
    "settings": SETTINGS,
    "tokenizer": "tokenizer.json",
    "card": "README.md",
    "curves": "curves.parquet",
    "run": "run.json",
}


def main(*, trainer: str, trial: str, number: int, point: Mapping[str, Any], **given: Any) -> None:
    """Train into the folder ``trial``, which gets the files of an adapter and the outcome.

    Args:
        trainer: Its script ``train_<trainer>.py`` does the work.
        trial: Folder to write.
        number: Of the trial, from 0.
        point: The settings that make the trial, among all those in ``given``.
        given: The other fields of ``workflow.lib.training.Job``.
    """
    outputs = {name: str(Path(trial) / file) for name, file in FILES.items()}
    failure = None
    try:
        import_module(f"workflow.scripts.train_{trainer}").main(**given, outputs=outputs)
    except NumericalError as error:
        failure = str(error)
        print(f"trial {number} failed: {failure}", flush=True)
    write_json(Path(trial) / OUTCOME, {"trial": number, "settings": dict(point), "failure": failure})


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        trainer=snakemake.params.trainer,
        trial=snakemake.output.trial,
        number=int(snakemake.wildcards.trial),
        point=snakemake.params.point,
        rows=snakemake.input.rows,
        start=snakemake.input.start,
        reward=snakemake.input.reward,
        judges=snakemake.input.judges,
        choice=[],
        manifest=snakemake.input.manifest,
        snapshot=snakemake.input.snapshot,
        settings=snakemake.params.settings,
        lora=snakemake.params.lora,
        hardware=snakemake.params.hardware,
        shared=snakemake.params.shared,
        dataset=snakemake.wildcards.dataset,
        model=snakemake.wildcards.model,
        method=snakemake.wildcards.method,
        seed=int(snakemake.wildcards.seed),
        threads=snakemake.threads,
    )
