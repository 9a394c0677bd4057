"""Choose for each teacher the prompt with the best verified yield on the slice of dev."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workflow.lib.errors import DataError
from workflow.lib.files import read_jsonl, write_json
from workflow.lib.logs import capture
from workflow.lib.records import Problem, Rationale, load
from workflow.lib.verification import verdict_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

RULE = (
    "pinned, or else best yield (right / samples asked); ties by fewer tokens per right answer, then by name"
)


@dataclass(frozen=True)
class Entry:
    """How one teacher did with one prompt."""

    teacher: str
    prompt: str
    problems: int
    samples: int
    right: int
    unparsed: int
    truncated: int
    tokens: int

    def row(self) -> dict[str, Any]:
        """Return the entry with its yield and its tokens per right answer (null if there is none)."""
        each = self.tokens / self.right if self.right else None
        return {**asdict(self), "yield": self.right / self.samples, "tokens_per_right": each}


def entries(rationales: list[Rationale], problems: dict[str, Problem]) -> list[Entry]:
    """Return one entry per teacher and prompt, in their order."""
    groups: dict[tuple[str, str], list[Rationale]] = defaultdict(list)
    for row in rationales:
        groups[row.teacher, row.prompt].append(row)
    found = []
    for (teacher, prompt), rows in sorted(groups.items()):
        verdicts = [verdict_of(row, problems[row.problem_id])[1] for row in rows]
        found.append(
            Entry(
                teacher=teacher,
                prompt=prompt,
                problems=len({row.problem_id for row in rows}),
                samples=len(rows),
                right=verdicts.count("right"),
                unparsed=verdicts.count("unparsed"),
                truncated=verdicts.count("truncated"),
                tokens=sum(row.tokens for row in rows),
            )
        )
    return found


def rank(entry: Entry) -> tuple[float, float, str]:
    """Return a key that puts the best entry of a teacher first; compare only entries of one slice."""
    each = entry.tokens / entry.right if entry.right else float("inf")
    return -entry.right / entry.samples, each, entry.prompt


def choices(table: list[Entry], pinned: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return the prompt of each teacher, the pinned one where there is one.

    Raises:
        DataError: There is neither a sample nor a pinned prompt.
    """
    best = {e.teacher: e.prompt for e in sorted(table, key=rank, reverse=True)}  # the first rank stays
    chosen = {**best, **pinned}
    if not chosen:
        raise DataError(
            "prompts: no sample to choose by: the dev split is empty. "
            "Fix: give datasets.*.split.dev a share above 0, or pin each teacher's prompt in prompts.pinned."
        )
    return {teacher: {"prompt": prompt, "kept": True} for teacher, prompt in sorted(chosen.items())}


def main(*, problems: str, rationales: list[str], choice: str, dataset: str, pinned: dict[str, str]) -> None:
    """Judge the samples of the tournament and write the table and the choice."""
    known = {problem.problem_id: problem for problem in load(problems, Problem)}
    samples = [Rationale(**record) for path in rationales for record in read_jsonl(path)]
    table = entries(samples, known)
    about = {
        "dataset": dataset,
        "rule": RULE,
        "pinned": pinned,
        "choices": choices(table, pinned),
        "table": [entry.row() for entry in table],
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
        pinned=snakemake.params.pinned,
    )
