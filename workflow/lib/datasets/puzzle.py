"""Puzzles with an instance and a verifier, in reasoning-gym's rows.

``{"generator": "countdown", "seed": 1000000, "index": 1, "config": {}, "question": "Find a way to make 120
…", "answer": "59 + 7 + 96 - 42", "metadata": {"numbers": [96, 59, 42, 7], "target": 120, …}}``: many answers
may be right, so the verifier of ``generator`` decides on the instance in ``metadata``. Nothing depends on
seed and index: item i of seed s is item i - 1 of seed s + 1.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from workflow.lib.datasets.oracles import contradicts
from workflow.lib.datasets.raw import Row, Skipped, Source, json_rows
from workflow.lib.errors import DataError, problem
from workflow.lib.records import Problem, group_id, problem_id
from workflow.lib.verifiers.registry import VERIFIERS

NEEDED: dict[str, tuple[str, ...]] = {  # fields of metadata that a verifier reads; the others read the answer
    "countdown": ("numbers", "target"),
    "kakurasu": ("row_sums", "col_sums"),
    "knights_knaves": ("names", "statements", "knight_knave_terms"),
    "mini_sudoku": ("puzzle",),
    "propositional_logic": ("premises", "variables"),
    "survo": ("puzzle", "candidate_numbers"),
}
EXAMPLE = "example_answer"  # of propositional_logic, which has no answer


def instances(source: Source) -> Iterator[Row]:
    """Yield the rows of every JSON Lines file but the planted ones."""
    for path in sorted(p for p in source.folder.rglob("*.jsonl") if p.name != "planted.jsonl"):
        yield from json_rows(path, source.folder)


def puzzle(row: Row, source: Source) -> Iterator[Problem | Skipped]:
    """Yield the problem of one instance, or that its label is wrong.

    The verifier is tried at once: an instance that it cannot read is found now and not in an evaluation.
    """
    question, rule = row.text("question"), row.one_of("generator", sorted(VERIFIERS))
    details = row.part("metadata").fields
    answer = None if rule == "propositional_logic" else row.text("answer")
    try:
        instance = instance_of(rule, answer, details)
        accepted = VERIFIERS[rule](details[EXAMPLE] if answer is None else answer, instance)
        wrong = contradicts(rule, question, answer, details) if answer else not accepted
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
        expected, fix = f"an instance of {rule} ({error!r})", "generate the row again, or drop it"
        raise DataError(problem(row.where, "metadata", expected=expected, found=details, fix=fix)) from error
    if wrong:
        yield Skipped(row.where, "label contradicted by its oracle")
        return
    yield Problem(
        problem_id=problem_id(source.dataset, question),
        group_id=group_id(source.dataset, question),
        dataset=source.dataset,
        category="puzzle",
        rule=rule,
        context="",
        question=question,
        choices=[],
        answer=answer,
        verifier=rule,
        instance=instance,
        planted="",
        source=row.where,
    )


def instance_of(rule: str, answer: str | None, details: Mapping[str, Any]) -> str:
    """Return what the verifier of ``rule`` needs to know, as JSON."""
    if rule == "ordering":
        return json.dumps(details, sort_keys=True)
    needed = {name: details[name] for name in NEEDED[rule]} if rule in NEEDED else {"answer": answer}
    return json.dumps(needed, sort_keys=True)
