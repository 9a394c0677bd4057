"""Ask a teacher behind an API for its answers to one shard of the problems, with the prompt chosen for it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.asking import asked_of, chosen_prompt
from workflow.lib.endpoint import ApiTeacher
from workflow.lib.files import write_json, write_jsonl
from workflow.lib.logs import capture
from workflow.lib.remote import Job, ask

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

WORK = Path("work/teachers")  # undeclared: what was answered, so that nothing is asked and paid twice


def main(
    *,
    train: str,
    dev: str,
    choice: str,
    prompts: list[str],
    rationales: str,
    ledger: str,
    dataset: str,
    name: str,
    teacher: dict[str, Any],
    shard: int,
    shards: int,
    examples: dict[str, Any],
) -> None:
    """Ask shard ``shard`` of ``shards`` (numbered from 0); a dropped teacher's shard is empty."""
    prompt = chosen_prompt(choice, prompts, name, train=train, examples=examples)
    if prompt is None:
        print(f"teacher '{name}' is not kept in {choice}: this shard is empty")
        write_jsonl(rationales, [])
        write_json(ledger, {})
        return
    rows, costs = ask(
        asked_of(train, dev, prompt, shard, shards),
        name=name,
        prompt=prompt.path,
        teacher=ApiTeacher(**teacher),
        job=Job(WORK, dataset, f"shard-{shard}"),
    )
    write_jsonl(rationales, map(asdict, rows))
    write_json(ledger, costs)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        train=snakemake.input.train,
        dev=snakemake.input.dev,
        choice=snakemake.input.choice,
        prompts=list(snakemake.input.prompts),
        rationales=snakemake.output.rationales,
        ledger=snakemake.output.ledger,
        dataset=snakemake.wildcards.dataset,
        name=snakemake.wildcards.teacher,
        teacher=snakemake.params.teacher,
        shard=int(snakemake.wildcards.shard),
        shards=snakemake.params.shards,
        examples=snakemake.params.examples,
    )
