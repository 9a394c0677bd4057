"""Ask a judge whether rationales come to their answers, and which of two is sounder: one shard.

What is asked and how replies are read: see ``workflow.lib.opinions``.
"""

from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Any

from workflow.lib.files import write_jsonl
from workflow.lib.logs import capture
from workflow.lib.opinions import JudgeSettings, opinions, questions_about
from workflow.lib.sampling import Teacher, sample

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

CACHE = "work/vllm"  # what vLLM compiles, shared by all jobs of a study


def main(
    *,
    train: str,
    dev: str,
    rationales: list[str],
    entails: str,
    compare: list[str],
    adapter: list[str],
    manifest: str,
    snapshot: str,
    judged: str,
    name: str,
    teacher: dict[str, Any],
    hardware: dict[str, Any],
    settings: dict[str, Any],
) -> None:
    """Ask the judge ``name`` about the rationales of one shard.

    Args:
        train: Parquet file of the train split.
        dev: The same of dev.
        rationales: Samples to judge, of one teacher or of all.
        entails: Prompt file that sees one rationale.
        compare: The one that sees two; empty where none are compared.
        adapter: Weights and configuration of the judge's adapter; empty for a base model.
        manifest: Of the judge's base model.
        snapshot: Folder of the judge's base model.
        judged: JSON Lines file to write.
        name: Name of the teacher that judges.
        teacher: Its settings.
        hardware: The section ``hardware`` of the config.
        settings: The section ``rationales.judge`` of the config.
    """
    chosen = JudgeSettings(**settings)
    questions = questions_about(rationales, [train, dev], entails, compare, chosen.pairs())
    replies = sample(
        list(chain.from_iterable(questions.values())),
        name=name,
        prompt="judge",
        adapter=adapter,
        manifest=manifest,
        snapshot=snapshot,
        teacher=Teacher(**chosen.once(teacher)),
        hardware=hardware,
        cache=CACHE,
    )
    write_jsonl(judged, map(asdict, opinions(replies)))


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        train=snakemake.input.train,
        dev=snakemake.input.dev,
        rationales=list(snakemake.input.rationales),
        entails=snakemake.input.entails,
        compare=list(snakemake.input.compare),
        adapter=list(snakemake.input.adapter),
        manifest=snakemake.input.manifest,
        snapshot=snakemake.input.snapshot,
        judged=snakemake.output.judged,
        name=snakemake.wildcards.teacher,
        teacher=snakemake.params.teacher,
        hardware=snakemake.params.hardware,
        settings=snakemake.params.settings,
    )
