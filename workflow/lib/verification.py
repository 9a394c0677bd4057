"""Verdicts on sampled answers, and how many samples reached each step from asked to kept.

What a rationale is like is measured in ``workflow.lib.signals``, and what the samples of a problem say
together in ``workflow.lib.problems``.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

from workflow.lib.answers import judge
from workflow.lib.errors import DataError
from workflow.lib.problems import Votes, ambiguous_problems, votes_of
from workflow.lib.records import Problem, Rationale, Verified
from workflow.lib.signals import FLAGS, Limits, conclusion_agrees, flags_of, leaked, read, repetition

STAGES = ("asked", "answered", "parsed", "right", "kept")
JUDGED = ("right", "wrong")  # verdicts on samples with an answer
ENDS = ("stop", "length")  # how a sample that was really taken can end


@dataclass(frozen=True)
class Counts:
    """How many samples reached each step; every step is a part of the one before."""

    asked: int
    answered: int  # ended by themselves with some text
    parsed: int  # an answer could be read
    right: int
    kept: int  # have no flag that rationales.drop names


def verdict_of(rationale: Rationale, problem: Problem) -> tuple[str | None, str]:
    """Return the parsed answer and the verdict: right, wrong, unparsed or truncated.

    A sample cut at the token limit, or ended otherwise than by itself, has no answer, even if it stated one
    on the way.
    """
    if rationale.finish_reason != "stop":
        return None, "truncated" if rationale.finish_reason == "length" else "unparsed"
    found = judge(
        rationale.text,
        choices=problem.choices,
        answer=problem.answer,
        verifier=problem.verifier,
        instance=problem.instance,
    )
    if found.parsed is None:
        return None, "unparsed"
    return found.parsed, "right" if found.right else "wrong"


def verify(
    rationales: Sequence[Rationale],
    problems: Mapping[str, Problem],
    ambiguous_below: float,
    hint: str | None = None,
    ambiguous_by: str = "vote_share",
) -> list[Verified]:
    """Return every rationale with its verdict and its problem's vote, in the order given.

    Args:
        rationales: The samples.
        problems: The problems asked, by id.
        ambiguous_below: Agreement of its samples under which a problem is ambiguous.
        hint: Prompt that shows the answer; its samples do not vote.
        ambiguous_by: Measure of the agreement (``workflow.lib.problems.AGREEMENT``).
    """
    judged = [verdict_of(row, problems[row.problem_id]) for row in rationales]
    answers: dict[str, list[str | None]] = defaultdict(list)
    for row, (parsed, _) in zip(rationales, judged, strict=True):
        answers[row.problem_id] += [parsed] if row.prompt != hint else []
    votes = {key: votes_of(parsed) for key, parsed in answers.items()}
    rows = [
        _verified(row, problems[row.problem_id], *verdict, votes[row.problem_id])
        for row, verdict in zip(rationales, judged, strict=True)
    ]
    voters = (row for row in rows if row.prompt != hint)
    unclear = ambiguous_problems(voters, problems, ambiguous_below, ambiguous_by)
    return [replace(row, ambiguous=True) if row.problem_id in unclear else row for row in rows]


def _verified(row: Rationale, problem: Problem, parsed: str | None, verdict: str, votes: Votes) -> Verified:
    reading = read(row.text)
    return Verified(
        rationale_id=row.rationale_id,
        problem_id=row.problem_id,
        group_id=problem.group_id,
        split=row.split,
        category=problem.category,
        rule=problem.rule,
        teacher=row.teacher,
        prompt=row.prompt,
        index=row.index,
        text=row.text,
        logprob=row.logprob,
        tokens=row.tokens,
        finish_reason=row.finish_reason,
        parsed=parsed,
        verdict=verdict,
        vote_share=votes.share,
        entropy=votes.entropy,
        ambiguous=False,
        planted=problem.planted,
        right=verdict == "right",
        words=len(row.text.split()),
        steps=len(reading.steps),
        repetition=repetition(row.text),
        leaked=leaked(row.text, reading, problem.choices),
        conclusion_agrees=conclusion_agrees(reading, problem, parsed),
        support="",
        preference="",
        flags=[],
    )


def flagged(rows: Iterable[Verified], limits: Limits, drop: Sequence[str]) -> list[Verified]:
    """Return ``rows`` with their flags; the first flag in ``drop`` that a judged one has is its verdict.

    So it is neither right nor wrong for whoever pairs by verdicts; its answer has voted all the same.
    """
    found = [replace(row, flags=flags_of(row, limits)) for row in rows]
    return [replace(row, verdict=_verdict_with(row, drop)) for row in found]


def _verdict_with(row: Verified, drop: Sequence[str]) -> str:
    if row.verdict not in JUDGED:
        return row.verdict
    return next((flag for flag in drop if flag in row.flags), row.verdict)


def incomplete(rationales: Iterable[Rationale], asked: Mapping[str, str]) -> list[str]:
    """Return what is missing, doubled or unknown in the samples of one teacher, one line each.

    Args:
        rationales: Rows of one teacher, from all its shards.
        asked: Split of every problem that was asked, by problem.
    """
    found: dict[str, list[int]] = defaultdict(list)
    lines = []
    for row in rationales:
        found[row.problem_id].append(row.index)
        if asked.get(row.problem_id) != row.split:
            lines.append(f"{row.rationale_id}: not a problem of {row.split}")
    samples = 1 + max((max(indices) for indices in found.values()), default=-1)
    for key in sorted(asked):
        if sorted(found[key]) != list(range(samples)):
            lines.append(f"problem {key}: expected samples 0 … {samples - 1}, found {sorted(found[key])}")
    return lines


def counts_of(rows: Iterable[Verified]) -> Counts:
    """Return how many of ``rows`` reached each step."""
    rows = list(rows)
    answered = [r for r in rows if r.finish_reason == "stop" and r.text.strip()]
    parsed = [r for r in answered if r.parsed is not None]
    right = [r for r in parsed if r.right]
    kept = sum(r.verdict == "right" for r in right)
    return Counts(len(rows), len(answered), len(parsed), len(right), kept)


def loss_of(row: Verified) -> str | None:
    """Return why ``row`` is not among the kept, the first step's reason; ``None`` if it is kept."""
    if row.finish_reason != "stop":
        return row.finish_reason
    if not row.text.strip():
        return "empty"
    if row.parsed is None:
        return "unparsed"
    if not row.right:
        return "wrong"
    return None if row.verdict == "right" else row.verdict


def losses_of(rows: Iterable[Verified]) -> dict[str, int]:
    """Return how many of ``rows`` were lost for each reason; with the kept ones they are all."""
    found = Counter(reason for reason in map(loss_of, rows) if reason is not None)
    return dict(sorted(found.items()))


def check_failures(rows: Sequence[Verified], limit: float) -> None:
    """Fail if more than ``limit`` of a teacher's samples have no answer that could be read."""
    for teacher in sorted({row.teacher for row in rows}):
        own = [row for row in rows if row.teacher == teacher]
        kinds = Counter(
            r.verdict if r.finish_reason in ENDS else r.finish_reason for r in own if r.parsed is None
        )
        share = kinds.total() / len(own)
        failed = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())) or "none"
        print(f"teacher '{teacher}': {asdict(counts_of(own))}, failed {share:.1%}: {failed}")
        if share > limit:
            raise DataError(
                f"teacher '{teacher}': {kinds.total()} of {len(own)} samples failed ({failed}): {share:.1%}, "
                f"expected at most {limit:.1%}. Fix: raise its max_tokens or hardware.max_model_len, try "
                "other prompts, or raise rationales.max_failed_fraction."
            )


def grouped(rows: Iterable[Verified], *fields: str) -> dict[tuple[str, ...], list[Verified]]:
    """Return the rows with the same ``fields`` together, in the order of their values."""
    groups: dict[tuple[str, ...], list[Verified]] = defaultdict(list)
    for row in rows:
        groups[tuple(getattr(row, field) for field in fields)].append(row)
    return dict(sorted(groups.items()))


def counts_by(rows: Iterable[Verified], *fields: str) -> list[dict[str, Any]]:
    """Return counts and reasons of the losses for every group of ``rows`` with the same ``fields``."""
    return [
        {**dict(zip(fields, key, strict=True)), **asdict(counts_of(group)), "lost": losses_of(group)}
        for key, group in grouped(rows, *fields).items()
    ]


def quality_by(rows: Iterable[Verified], *fields: str) -> list[dict[str, Any]]:
    """Return how many right and wrong samples have each flag, by group of ``rows`` with the same ``fields``.

    Truncated samples are neither: their flag is counted among all. The mean of a measure is over all samples.
    """
    lines = []
    for key, group in grouped(rows, *fields).items():
        sides = {
            "samples": group,
            "right": [row for row in group if row.right],
            "wrong": [row for row in group if row.parsed is not None and not row.right],
        }
        about: dict[str, Any] = dict(zip(fields, key, strict=True))
        for name in ("words", "tokens", "steps", "repetition"):
            about[f"mean_{name}"] = sum(getattr(row, name) for row in group) / len(group)
        about["conclusion_told"] = sum(row.conclusion_agrees is not None for row in group)
        about["flags"] = {
            flag: {side: sum(flag in row.flags for row in some) for side, some in sides.items()}
            for flag in FLAGS
        }
        lines.append(about)
    return lines


def funnel(rows: Sequence[Verified]) -> list[dict[str, Any]]:
    """Return rows in and out of every step from asked to kept, with the reasons of the losses."""
    counts = counts_of(rows)
    ends = Counter(row.finish_reason for row in rows)
    empty = sum(row.finish_reason == "stop" and not row.text.strip() for row in rows)
    other = ", ".join(f"{n} {end}" for end, n in sorted(ends.items()) if end != "stop")
    dropped = Counter(row.verdict for row in rows if row.right and row.verdict != "right")
    flags = ", ".join(f"{n} {flag}" for flag, n in sorted(dropped.items()))
    reasons = {
        "answered": f"ended otherwise: {other or 'none'}; {empty} empty",
        "parsed": "no answer could be read",
        "right": "the answer is not gold, or the verifier refused it",
        "kept": f"has a flag that rationales.drop names: {flags or 'none'}",
    }
    steps = asdict(counts)
    return [
        {"step": step, "rows_in": steps[before], "rows_out": steps[step], "reason": reasons[step]}
        for before, step in pairwise(STAGES)
    ]
