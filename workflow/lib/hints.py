"""Rationalisation: problems left without a right sample are asked again, with the answer as a hint.

After STaR (Zelikman et al. 2022, arXiv 2203.14465): a rationale that reaches the gold answer when it is given
is learned from as if it had been found without. So the hint stands in the teacher's prompt alone: the
student's prompt stands around every completion, and a completion that speaks of the hint is left out.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from workflow.lib.errors import raise_all
from workflow.lib.files import read_jsonl
from workflow.lib.records import Problem, Rationale, Verified
from workflow.lib.signals import HINTS
from workflow.lib.verification import verdict_of

SPOKEN_OF = re.compile(
    r"\bhint(?:s|ed)?\b"
    r"|\b(?:correct|right|final) answer (?:(?:that )?(?:is|was) )?(?:already )?(?:given|provided|told)\b"
    r"|\b(?:told|given|informed|know|knowing) (?:already )?that the (?:correct |right |final )?answer\b"
    r"|\b(?:work(?:ing)? back(?:wards?)? from|to justify|to match|to arrive at) the (?:\w+ )?answer\b",
    re.IGNORECASE,
)


def mentions_hint(text: str) -> bool:
    """Return whether ``text`` speaks of a hint, or of an answer that was known before it was found.

    It is for texts that were written with a hint: better to leave one out too many.
    """
    return bool(SPOKEN_OF.search(text) or HINTS.search(text))


def failed_problems(problems: Sequence[Problem], rationales: Iterable[Rationale]) -> list[Problem]:
    """Return the problems that were asked, have a gold answer, and got no right sample from anybody.

    Args:
        problems: Problems of train.
        rationales: The samples of all teachers.
    """
    known = {problem.problem_id: problem for problem in problems}
    asked: dict[str, bool] = {}
    for row in rationales:
        if row.problem_id in known:
            right = verdict_of(row, known[row.problem_id])[1] == "right"
            asked[row.problem_id] = right or asked.get(row.problem_id, False)
    return [p for p in problems if p.answer is not None and asked.get(p.problem_id) is False]


def read_hinted(paths: Iterable[str], splits: Mapping[str, str]) -> list[Rationale]:
    """Return the samples of the second round, by problem, teacher and index; all must be of train.

    Args:
        paths: JSON Lines files; none where there was no such round.
        splits: Split of every problem, by id.
    """
    rows = [Rationale(**record) for path in paths for record in read_jsonl(path)]
    strange = [row.rationale_id for row in rows if splits.get(row.problem_id) != "train"]
    raise_all([f"hinted rationale {name}: not of a problem of train. Fix: sample again." for name in strange])
    return sorted(rows, key=lambda row: (row.problem_id, row.teacher, row.index))


def told_by_hint(rows: Sequence[Verified], hint: str | None) -> list[Verified]:
    """Return ``rows``; those of the prompt ``hint`` that speak of it or start with the answer are leaked."""
    found = [
        replace(row, leaked=True, verdict="leaked")
        if row.prompt == hint and (row.leaked or mentions_hint(row.text))
        else row
        for row in rows
    ]
    leaked = sum(row.verdict == "leaked" for row in found)
    print(f"{sum(row.prompt == hint for row in rows)} samples had a hint, {leaked} of them speak of it")
    return found
