"""Ask a judge whose answer is better, every trained policy's or the base's to the same problem.

What is asked and how replies are read: see ``workflow.lib.duels``.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.duels import DuelSettings, questions_between
from workflow.lib.files import write_jsonl
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.opinions import opinions
from workflow.lib.sampling import Teacher, sample

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

CACHE = "work/vllm"  # what vLLM compiles, shared by all jobs of a study


def main(
    *,
    samples: list[str],
    prompt: str,
    adapter: list[str],
    manifest: str,
    snapshot: str,
    judged: str,
    name: str,
    teacher: dict[str, Any],
    hardware: dict[str, Any],
    settings: dict[str, Any],
) -> None:
    """Ask the judge ``name`` about the answers of all policies of one dataset and model.

    Args:
        samples: Parquet files of the answers, those of the base among them.
        prompt: Prompt file that sees two answers.
        adapter: Weights and configuration of the judge's adapter; empty for a base model.
        manifest: Of the judge's base model.
        snapshot: Folder of the judge's base model.
        judged: JSON Lines file to write.
        name: Name of the teacher that judges.
        teacher: Its settings.
        hardware: The section ``hardware`` of the config.
        settings: The section ``evaluation.judge`` of the config.
    """
    chosen = DuelSettings(**settings)
    replies = sample(
        questions_between(samples, prompt, chosen.problems),
        name=name,
        prompt=Path(prompt).stem,
        adapter=adapter,
        manifest=manifest,
        snapshot=snapshot,
        teacher=Teacher(**chosen.asked_once(teacher)),
        hardware=hardware,
        cache=CACHE,
    )
    write_jsonl(judged, map(asdict, opinions(replies)))


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        prompt=snakemake.input.prompt,
        adapter=list(snakemake.input.adapter),
        manifest=snakemake.input.manifest,
        snapshot=snakemake.input.snapshot,
        judged=snakemake.output.judged,
        name=snakemake.wildcards.teacher,
        teacher=snakemake.params.teacher,
        hardware=snakemake.params.hardware,
        settings=snakemake.params.settings,
    )
