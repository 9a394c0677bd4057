"""Ask one teacher behind an API a slice of dev with one prompt: one entry of the tournament."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.asking import questions, slice_of, teacher_prompt
from workflow.lib.endpoint import ApiTeacher
from workflow.lib.files import write_json, write_jsonl
from workflow.lib.logs import capture
from workflow.lib.records import Problem, load
from workflow.lib.remote import Job, ask

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

WORK = Path("work/teachers")  # undeclared: what was answered, so that nothing is asked and paid twice


def main(
    *,
    problems: str,
    train: str,
    prompt: str,
    rationales: str,
    ledger: str,
    dataset: str,
    name: str,
    teacher: dict[str, Any],
    size: int,
    examples: dict[str, Any],
) -> None:
    """Ask the teacher ``name`` the slice of ``problems``; write its answers and what they cost."""
    rows, costs = ask(
        questions(slice_of(load(problems, Problem), size), "dev", teacher_prompt(prompt, train, examples)),
        name=name,
        prompt=Path(prompt),
        teacher=ApiTeacher(**teacher),
        job=Job(WORK, dataset, "tournament"),
    )
    write_jsonl(rationales, map(asdict, rows))
    write_json(ledger, costs)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        problems=snakemake.input.problems,
        train=snakemake.input.train,
        prompt=snakemake.input.prompt,
        rationales=snakemake.output.rationales,
        ledger=snakemake.output.ledger,
        dataset=snakemake.wildcards.dataset,
        name=snakemake.wildcards.teacher,
        teacher=snakemake.params.teacher,
        size=snakemake.params.size,
        examples=snakemake.params.examples,
    )
