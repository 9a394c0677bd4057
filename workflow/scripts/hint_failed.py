"""Ask a teacher again, with the answer as a hint, what nobody answered right: one shard of train.

Rationalisation of STaR (Zelikman et al. 2022, arXiv 2203.14465): see ``workflow.lib.hints``.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workflow.lib.asking import questions, teacher_prompt
from workflow.lib.files import read_jsonl, write_jsonl
from workflow.lib.hints import failed_problems
from workflow.lib.logs import capture
from workflow.lib.records import Problem, Rationale, load
from workflow.lib.sampling import Teacher, sample
from workflow.lib.sights import HINTED

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

CACHE = "work/vllm"  # what vLLM compiles, shared by all jobs of a study


def main(
    *,
    train: str,
    rationales: list[str],
    prompt: str,
    adapter: list[str],
    manifest: str,
    snapshot: str,
    hinted: str,
    name: str,
    teacher: dict[str, Any],
    hardware: dict[str, Any],
    examples: dict[str, Any],
) -> None:
    """Ask the teacher ``name`` the failed problems of one shard; a dropped teacher is not asked again.

    Args:
        train: Parquet file of the train split.
        rationales: The samples of this shard from all teachers.
        prompt: Prompt file that sees the answer.
        adapter: Weights and configuration of the teacher's adapter; empty for a base model.
        manifest: Of the teacher's base model.
        snapshot: Folder of the teacher's base model.
        hinted: JSON Lines file to write.
        name: Name of the teacher.
        teacher: Its settings.
        hardware: The section ``hardware`` of the config.
        examples: The section ``prompts.examples`` of the config.
    """
    rows = [Rationale(**record) for path in rationales for record in read_jsonl(path)]
    failed = failed_problems(load(train, Problem), rows)
    kept = any(row.teacher == name for row in rows)
    words = teacher_prompt(prompt, train, examples, HINTED)
    found = sample(
        questions(failed if kept else [], "train", words),
        name=name,
        prompt=words.name,
        adapter=adapter,
        manifest=manifest,
        snapshot=snapshot,
        teacher=Teacher(**teacher),
        hardware=hardware,
        cache=CACHE,
    )
    write_jsonl(hinted, map(asdict, found))


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        train=snakemake.input.train,
        rationales=list(snakemake.input.rationales),
        prompt=snakemake.input.prompt,
        adapter=list(snakemake.input.adapter),
        manifest=snakemake.input.manifest,
        snapshot=snakemake.input.snapshot,
        hinted=snakemake.output.hinted,
        name=snakemake.params.name,
        teacher=snakemake.params.teacher,
        hardware=snakemake.params.hardware,
        examples=snakemake.params.examples,
    )
