"""Sample a teacher's answers to one shard of the train and dev problems, with the prompt chosen for it."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.errors import DataError, problem
from workflow.lib.files import read_json, write_jsonl
from workflow.lib.logs import capture
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Problem, load
from workflow.lib.sampling import Question, Teacher, questions, sample, shard_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

CACHE = "work/vllm"  # what vLLM compiles, shared by all jobs of a study


def chosen_prompt(choice: str, prompts: list[str], name: str) -> PromptFile | None:
    """Return the prompt that the file ``choice`` gives to the teacher ``name``; ``None`` if it is dropped."""
    entry = read_json(choice)["choices"][name]
    if not entry["kept"]:
        return None
    files = {Path(path).stem: path for path in prompts}
    if entry["prompt"] not in files:
        raise DataError(
            problem(
                choice,
                f"choices.{name}.prompt",
                expected=f"one of {sorted(files)}",
                found=entry["prompt"],
                fix="correct prompts.pinned or prompts.candidates in the config",
            )
        )
    return PromptFile(files[entry["prompt"]])


def asked_of(train: str, dev: str, prompt: PromptFile, shard: int, shards: int) -> list[Question]:
    """Return the questions of one shard from both splits, in the words of ``prompt``."""
    asked = [
        *questions(load(train, Problem), "train", prompt),
        *questions(load(dev, Problem), "dev", prompt),
    ]
    mine = [question for question in asked if shard_of(question.problem_id, shards) == shard]
    print(f"shard {shard} of {shards}: {len(mine)} of {len(asked)} problems")
    return mine


def main(
    *,
    train: str,
    dev: str,
    choice: str,
    prompts: list[str],
    snapshot: str,
    rationales: str,
    name: str,
    teacher: dict[str, Any],
    hardware: dict[str, Any],
    shard: int,
    shards: int,
) -> None:
    """Sample shard ``shard`` of ``shards`` (numbered from 0); a dropped teacher's shard is empty."""
    prompt = chosen_prompt(choice, prompts, name)
    if prompt is None:
        print(f"teacher '{name}' is not kept in {choice}: this shard is empty")
        write_jsonl(rationales, [])
        return
    rows = sample(
        asked_of(train, dev, prompt, shard, shards),
        name=name,
        prompt=prompt.name,
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
        snapshot=snakemake.input.snapshot,
        rationales=snakemake.output.rationales,
        name=snakemake.wildcards.teacher,
        teacher=snakemake.params.teacher,
        hardware=snakemake.params.hardware,
        shard=int(snakemake.wildcards.shard),
        shards=snakemake.params.shards,
    )
