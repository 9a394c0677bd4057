"""Ask a judge behind an API whether rationales come to their answers, and which of two is sounder: one shard.

What is asked and how replies are read: see ``workflow.lib.opinions``.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.endpoint import ApiTeacher
from workflow.lib.files import read_jsonl, write_json, write_jsonl
from workflow.lib.logs import capture
from workflow.lib.opinions import JudgeSettings, candidates, contest_questions, opinions, support_questions
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Problem, Rationale, load
from workflow.lib.remote import Job, ask
from workflow.lib.sights import COMPARER, JUDGE

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
    problems = {p.problem_id: p for path in (train, dev) for p in load(path, Problem)}
    rows = (Rationale(**record) for path in rationales for record in read_jsonl(path))
    asked = candidates(rows, problems)
    questions = {Path(entails): support_questions(asked, PromptFile(entails, JUDGE))}
    for path in compare:
        questions[Path(path)] = contest_questions(asked, PromptFile(path, COMPARER), chosen.pairs())
    judge, job = ApiTeacher(**chosen.once(teacher)), Job(WORK, dataset, f"judged-{shard}")
    replies, costs = [], {}
    for prompt, some in questions.items():
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
