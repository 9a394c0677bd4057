"""Choose the prompt of each teacher by the study's rule, from its verified samples on the slice of dev."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workflow.lib.errors import DataError
from workflow.lib.files import read_jsonl, write_json
from workflow.lib.logs import capture
from workflow.lib.records import Problem, Rationale, load
from workflow.lib.statistics import Settings
from workflow.lib.tournament import IN_WORDS, RULES, Entry, Price, entries_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def choices(
    table: Mapping[str, Sequence[Entry]], rule: str, pinned: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return the prompt of each teacher, the pinned one where there is one.

    Raises:
        DataError: There is neither a sample nor a pinned prompt.
    """
    chosen = {teacher: RULES[rule](entries).prompt for teacher, entries in table.items()} | dict(pinned)
    if not chosen:
        raise DataError(
            "prompts: no sample to choose by: the dev split is empty. "
            "Fix: give datasets.*.split.dev a share above 0, or pin each teacher's prompt in prompts.pinned."
        )
    return {teacher: {"prompt": prompt, "kept": True} for teacher, prompt in sorted(chosen.items())}


def main(
    *,
    problems: str,
    rationales: list[str],
    choice: str,
    dataset: str,
    rule: str,
    intervals: dict[str, Any],
    prices: dict[str, dict[str, float]],
    pinned: dict[str, str],
) -> None:
    """Judge the samples of the tournament and write the table, the tie groups and the choice."""
    known = {problem.problem_id: problem for problem in load(problems, Problem)}
    samples = [Rationale(**record) for path in rationales for record in read_jsonl(path)]
    asked = {teacher: Price(**price) for teacher, price in prices.items()}
    table = entries_of(samples, known, asked, Settings(**intervals, examples=0))
    about = {
        "dataset": dataset,
        "rule": rule,
        "rule_in_words": f"pinned, or else {IN_WORDS[rule]}",
        "pinned": pinned,
        "choices": choices(table, rule, pinned),
        "tie_groups": {name: [e.arm.prompt for e in entries if e.tied] for name, entries in table.items()},
        "table": [entry.row() for entries in table.values() for entry in entries],
    }
    print(f"{len(samples)} samples of {len(rationales)} entries; choice: {about['choices']}")
    write_json(choice, about)


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        problems=snakemake.input.problems,
        rationales=list(snakemake.input.rationales),
        choice=snakemake.output.choice,
        dataset=snakemake.wildcards.dataset,
        rule=snakemake.params.rule,
        intervals=snakemake.params.intervals,
        prices=snakemake.params.prices,
        pinned=snakemake.params.pinned,
    )
