"""Sample a teacher's answers to one shard of the train and dev problems, with the prompt chosen for it."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workflow.lib.asking import asked_of, chosen_prompt
from workflow.lib.files import write_jsonl
from workflow.lib.logs import capture
from workflow.lib.sampling import Teacher, sample

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

CACHE = "work/vllm"  # what vLLM compiles, shared by all jobs of a study


def main(
    *,
    train: str,
    dev: str,
    choice: str | list[str],
    prompts: list[str],
    adapter: list[str],
    manifest: str,
    snapshot: str,
    rationales: str,
    name: str,
    teacher: dict[str, Any],
    hardware: dict[str, Any],
    shard: int,
    shards: int,
    examples: dict[str, Any],
) -> None:
    """Sample shard ``shard`` of ``shards`` (numbered from 0); a dropped teacher's shard is empty.

    ``choice`` is empty where there was no tournament: then there is one prompt, and nobody is dropped.
    """
    prompt = chosen_prompt(choice, prompts, name, train=train, examples=examples)
    if prompt is None:
        print(f"teacher '{name}' is not kept in {choice}: this shard is empty")
        write_jsonl(rationales, [])
        return
    rows = sample(
        asked_of(train, dev, prompt, shard, shards),
        name=name,
        prompt=prompt.name,
        adapter=adapter,
        manifest=manifest,
        snapshot=snapshot,
        teacher=Teacher(**teacher),
        hardware=hardware,
        cache=CACHE,
    )
    write_jsonl(rationales, map(asdict, rows))


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        train=snakemake.input.train,
        dev=snakemake.input.dev,
        choice=snakemake.input.choice,
        prompts=list(snakemake.input.prompts),
        adapter=list(snakemake.input.adapter),
        manifest=snakemake.input.manifest,
        snapshot=snakemake.input.snapshot,
        rationales=snakemake.output.rationales,
        name=snakemake.params.name,
        teacher=snakemake.params.teacher,
        hardware=snakemake.params.hardware,
        shard=int(snakemake.wildcards.shard),
        shards=snakemake.params.shards,
        examples=snakemake.params.examples,
    )
