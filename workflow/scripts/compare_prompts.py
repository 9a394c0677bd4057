"""Sample one teacher with one prompt on a slice of dev: one entry of the tournament."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workflow.lib.asking import questions, slice_of, teacher_prompt
from workflow.lib.files import write_jsonl
from workflow.lib.logs import capture
from workflow.lib.records import Problem, load
from workflow.lib.sampling import Teacher, sample

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

CACHE = "work/vllm"  # what vLLM compiles, shared by all jobs of a study


def main(
    *,
    problems: str,
    train: str,
    prompt: str,
    adapter: list[str],
    manifest: str,
    snapshot: str,
    rationales: str,
    name: str,
    teacher: dict[str, Any],
    hardware: dict[str, Any],
    size: int,
    examples: dict[str, Any],
) -> None:
    """Ask the teacher ``name`` the slice of ``problems`` and write its answers; examples are of ``train``."""
    words = teacher_prompt(prompt, train, examples)
    rows = sample(
        questions(slice_of(load(problems, Problem), size), "dev", words),
        name=name,
        prompt=words.name,
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
        problems=snakemake.input.problems,
        train=snakemake.input.train,
        prompt=snakemake.input.prompt,
        adapter=list(snakemake.input.adapter),
        manifest=snakemake.input.manifest,
        snapshot=snakemake.input.snapshot,
        rationales=snakemake.output.rationales,
        name=snakemake.wildcards.teacher,
        teacher=snakemake.params.teacher,
        hardware=snakemake.params.hardware,
        size=snakemake.params.size,
        examples=snakemake.params.examples,
    )
