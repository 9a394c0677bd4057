"""Choose held-out problems, by seed, to show every method's answer to them side by side.

Neither the answers' looks nor a person has a say: the problems of each kind (changed for the better
against the base, for the worse, not at all) are shuffled with the seed of the analysis, and the kinds
take turns. How many there are of each kind is told along with them.
"""

from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

from workflow.lib.files import write_json
from workflow.lib.indices import files_of
from workflow.lib.logs import capture
from workflow.lib.records import Sample
from workflow.lib.samples import grouped, load_samples
from workflow.lib.statistics import Settings

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

RULE = (
    "From the generation task with most repeats, first seed, first repeat. Gained: the base is wrong and "
    "some trained method right; lost: the base is right and some trained method wrong; unchanged: all "
    "right or all wrong. Each kind is shuffled with the analysis seed, then gained, lost and unchanged "
    "problems take turns."
)
KINDS = ("gained", "lost", "unchanged")

Problem = dict[str, Sample]  # the answer of each method


def task_to_show(samples: Sequence[Sample]) -> str:
    """Return the generation task with most repeats, or the first task when none generates text."""
    tasks = grouped([sample for sample in samples if not sample.loglikelihoods] or samples, "task")
    repeats = {str(task): max(sample.repeat for sample in some) for (task,), some in tasks.items()}
    return max(repeats, key=lambda task: repeats[task])


def kind_of(answers: Problem) -> str:
    """Return how the trained methods changed the outcome of a problem against the base."""
    right = {method: answer.score == 1.0 for method, answer in answers.items()}
    trained = [is_right for method, is_right in right.items() if method != "base"]
    if all(is_right == right["base"] for is_right in trained):
        return "unchanged"
    return "lost" if right["base"] else "gained"


def problems_of(samples: Sequence[Sample], task: str) -> list[Problem]:
    """Return the problems of a task, by identifier, with every method's first answer."""
    ours = [sample for sample in samples if sample.task == task and sample.repeat == 0]
    seed = min(sample.seed for sample in ours)
    by_problem = grouped([sample for sample in ours if sample.seed == seed], "problem_id")
    return [{answer.method: answer for answer in some} for _, some in sorted(by_problem.items())]


def choose(problems: Sequence[Problem], settings: Settings) -> tuple[dict[str, int], list[Problem]]:
    """Return how many problems there are of each kind, and those chosen, by the rule above."""
    order = settings.generator().permutation(len(problems))
    shuffled = [problems[index] for index in order]
    kinds = [[problem for problem in shuffled if kind_of(problem) == kind] for kind in KINDS]
    turns = chain.from_iterable(zip_longest(*kinds))
    chosen = [problem for problem in turns if problem is not None]
    counts = {kind: len(some) for kind, some in zip(KINDS, kinds, strict=True)}
    return counts, chosen[: settings.examples]


def example(problem: Problem) -> dict[str, Any]:
    """Return one problem with the answers of all methods."""
    first = next(iter(problem.values()))
    fields = ("dataset", "model", "task", "seed", "repeat", "problem_id", "category", "rule", "prompt")
    return {field: getattr(first, field) for field in fields} | {
        "gold": first.answer,
        "kind": kind_of(problem),
        "answers": [
            {
                "method": answer.method,
                "text": answer.text,
                "parsed": answer.parsed,
                "right": answer.score == 1.0,
                "tokens": answer.tokens,
            }
            for answer in problem.values()
        ],
    }


def show(samples: Sequence[Sample], settings: Settings) -> dict[str, Any]:
    """Return the problems to show of one training set and model, with the counts of each kind."""
    task = task_to_show(samples)
    counts, chosen = choose(problems_of(samples, task), settings)
    return {"task": task, "counts": counts, "examples": [example(problem) for problem in chosen]}


def main(*, samples: Sequence[str], examples: str, settings: dict[str, Any]) -> None:
    """Write the chosen problems of every training set and model to the file ``examples``."""
    chosen = Settings(**settings)
    runs = grouped(load_samples(samples), "dataset", "model").items()
    sets = [
        {"dataset": dataset, "model": model, **show(answers, chosen)} for (dataset, model), answers in runs
    ]
    write_json(examples, {"rule": RULE, "seed": chosen.seed, "sets": sets})
    print(f"{len(sets)} sets of {chosen.examples} problems chosen from {len(samples)} files")


if __name__ == "__main__":
    capture(snakemake.log[0])
    main(
        samples=files_of(snakemake.input.answers, "samples"),
        examples=snakemake.output.examples,
        settings=snakemake.params.settings,
    )
