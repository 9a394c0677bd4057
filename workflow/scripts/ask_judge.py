"""Ask a judge behind an API whether rationales come to their answers, and which of two is sounder: one shard.

What is asked and how replies are read: see ``workflow.lib.opinions``.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.endpoint import ApiTeacher
from workflow.lib.files import write_json, write_jsonl
from workflow.lib.logs import capture
from workflow.lib.opinions import JudgeSettings, opinions, questions_about
from workflow.lib.remote import Job, ask

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

WORK = Path("work/teachers")  # undeclared: what was answered, so that nothing is asked and paid twice


def main(
    *,
    train: str,
    dev: str,
    rationales: list[str],
    entails: str,
    compare: list[str],
    judged: str,
    ledger: str,
    dataset: str,
    name: str,
    teacher: dict[str, Any],
    shard: int,
    settings: dict[str, Any],
) -> None:
    """Ask the judge ``name`` about the rationales of one shard; write its replies and what they cost.

    Args:
        train: Parquet file of the train split.
        dev: The same of dev.
        rationales: Samples to judge, of one teacher or of all.
        entails: Prompt file that sees one rationale.
        compare: The one that sees two; empty where none are compared.
        judged: JSON Lines file to write.
        ledger: JSON file to write, costs by prompt file.
        dataset: Whose rationales they are.
        name: Name of the teacher that judges.
        teacher: Its settings.
        shard: Number of the shard.
        settings: The section ``rationales.judge`` of the config.
    """
    chosen = JudgeSettings(**settings)
    questions = questions_about(rationales, [train, dev], entails, compare, chosen.pairs())
    judge, job = ApiTeacher(**chosen.once(teacher)), Job(WORK, dataset, f"judged-{shard}")
    replies, costs = [], {}
    for path, some in questions.items():
        prompt = Path(path)
        said, costs[prompt.stem] = ask(some, name=name, prompt=prompt, teacher=judge, job=job)
        replies += said
    write_jsonl(judged, map(asdict, opinions(replies)))
    write_json(ledger, costs)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        train=snakemake.input.train,
        dev=snakemake.input.dev,
        rationales=list(snakemake.input.rationales),
        entails=snakemake.input.entails,
        compare=list(snakemake.input.compare),
        judged=snakemake.output.judged,
        ledger=snakemake.output.ledger,
        dataset=snakemake.wildcards.dataset,
        name=snakemake.wildcards.teacher,
        teacher=snakemake.params.teacher,
        shard=int(snakemake.wildcards.shard),
        settings=snakemake.params.settings,
    )
