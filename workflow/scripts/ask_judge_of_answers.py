"""Ask a judge behind an API whose answer is better, every trained policy's or the base's to the same problem.

What is asked and how replies are read: see ``workflow.lib.duels``.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow.lib.duels import DuelSettings, questions_between
from workflow.lib.endpoint import ApiTeacher
from workflow.lib.files import write_json, write_jsonl
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.opinions import opinions
from workflow.lib.remote import Job, ask

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

WORK = Path("work/teachers")  # undeclared: what was answered, so that nothing is asked and paid twice


def main(
    *,
    samples: list[str],
    prompt: str,
    judged: str,
    ledger: str,
    dataset: str,
    model: str,
    name: str,
    teacher: dict[str, Any],
    settings: dict[str, Any],
) -> None:
    """Ask the judge ``name`` about the answers of all policies of one dataset and model; tell what it cost.

    Args:
        samples: Parquet files of the answers, those of the base among them.
        prompt: Prompt file that sees two answers.
        judged: JSON Lines file to write.
        ledger: JSON file to write.
        dataset: What the policies were trained on.
        model: Their base.
        name: Name of the teacher that judges.
        teacher: Its settings.
        settings: The section ``evaluation.judge`` of the config.
    """
    chosen = DuelSettings(**settings)
    replies, costs = ask(
        questions_between(samples, prompt, chosen.problems),
        name=name,
        prompt=Path(prompt),
        teacher=ApiTeacher(**chosen.asked_once(teacher)),
        job=Job(WORK, dataset, f"answers-{model}"),
    )
    write_jsonl(judged, map(asdict, opinions(replies)))
    write_json(ledger, costs)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        prompt=snakemake.input.prompt,
        judged=snakemake.output.judged,
        ledger=snakemake.output.ledger,
        dataset=snakemake.wildcards.dataset,
        model=snakemake.wildcards.model,
        name=snakemake.wildcards.teacher,
        teacher=snakemake.params.teacher,
        settings=snakemake.params.settings,
    )
