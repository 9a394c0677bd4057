"""Verdicts on sampled answers, what the samples of a problem say together, and the counts of both.

A problem is ambiguous by one stated rule: it has gold, some answer could be read, and the most frequent
answer has a share below ``ambiguous_below`` of the answers read. A problem with a verifier may have many
right answers, so disagreement says nothing there; one without a readable answer is unanswered, not ambiguous.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

from workflow.lib.answers import judge
from workflow.lib.records import Problem, Rationale, Verified

AMBIGUOUS = "ambiguous"  # value of ``planted`` of a problem that a generator made ambiguous
STAGES = ("asked", "answered", "parsed", "right")


@dataclass(frozen=True)
class Votes:
    """What the samples of one problem say together."""

    share: float  # of the most frequent answer among the answers read; 0 if none was read
    entropy: float  # of the answers read, nats
    winner: str | None  # the most frequent answer, the first in alphabetical order among equals
    ambiguous: bool


@dataclass(frozen=True)
class Counts:
    """How many samples reached each step; every step is a part of the one before."""

    asked: int
    answered: int  # ended by themselves with some text
    parsed: int  # an answer could be read
    right: int


def verdict_of(rationale: Rationale, problem: Problem) -> tuple[str | None, str]:
    """Return the parsed answer and the verdict: right, wrong, unparsed or truncated.

    A sample cut at the token limit has no answer, even if it stated one on the way.
    """
    if rationale.finish_reason == "length":
        return None, "truncated"
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


def votes_of(parsed: Iterable[str | None], *, has_gold: bool, ambiguous_below: float) -> Votes:
    """Return the vote over the parsed answers of one problem; ``None`` (nothing read) does not vote."""
    counts = Counter(answer for answer in parsed if answer is not None)
    total = counts.total()
    if total == 0:
        return Votes(share=0.0, entropy=0.0, winner=None, ambiguous=False)
    winner, most = min(counts.items(), key=lambda item: (-item[1], item[0]))
    entropy = math.fsum(n / total * math.log(total / n) for n in counts.values())
    share = most / total
    return Votes(share, entropy, winner, ambiguous=has_gold and share < ambiguous_below)


def verify(
    rationales: Sequence[Rationale], problems: Mapping[str, Problem], ambiguous_below: float
) -> list[Verified]:
    """Return every rationale with its verdict and its problem's vote, in the order given."""
    judged = [verdict_of(row, problems[row.problem_id]) for row in rationales]
    read: dict[str, list[str | None]] = defaultdict(list)
    for row, (parsed, _) in zip(rationales, judged, strict=True):
        read[row.problem_id].append(parsed)
    votes = {
        key: votes_of(parsed, has_gold=problems[key].verifier == "gold", ambiguous_below=ambiguous_below)
        for key, parsed in read.items()
    }
    return [
        _verified(row, problems[row.problem_id], *verdict, votes[row.problem_id])
        for row, verdict in zip(rationales, judged, strict=True)
    ]


def _verified(row: Rationale, problem: Problem, parsed: str | None, verdict: str, votes: Votes) -> Verified:
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
        ambiguous=votes.ambiguous,
        planted=problem.planted,
    )


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
    return Counts(len(rows), len(answered), len(parsed), sum(r.verdict == "right" for r in parsed))


def counts_by(rows: Iterable[Verified], *fields: str) -> list[dict[str, Any]]:
    """Return the counts of every group of ``rows`` with the same ``fields``, in their order."""
    groups: dict[tuple[str, ...], list[Verified]] = defaultdict(list)
    for row in rows:
        groups[tuple(getattr(row, field) for field in fields)].append(row)
    return [
        {**dict(zip(fields, key, strict=True)), **asdict(counts_of(group))}
        for key, group in sorted(groups.items())
    ]


def funnel(rows: Sequence[Verified]) -> list[dict[str, Any]]:
    """Return rows in and out of every step from asked to right, with the reasons of the losses."""
    counts = counts_of(rows)
    ends = Counter(row.finish_reason for row in rows)
    empty = sum(row.finish_reason == "stop" and not row.text.strip() for row in rows)
    other = ", ".join(f"{n} {end}" for end, n in sorted(ends.items()) if end != "stop")
    reasons = {
        "answered": f"ended otherwise: {other or 'none'}; {empty} empty",
        "parsed": "no answer could be read",
        "right": "the answer is not gold, or the verifier refused it",
    }
    steps = asdict(counts)
    return [
        {"step": step, "rows_in": steps[before], "rows_out": steps[step], "reason": reasons[step]}
        for before, step in pairwise(STAGES)
    ]


def vote_statistics(rows: Sequence[Verified], problems: Mapping[str, Problem]) -> dict[str, Any]:
    """Return how the votes of the problems in ``rows`` fell out."""
    read: dict[str, list[str | None]] = defaultdict(list)
    for row in rows:
        read[row.problem_id].append(row.parsed)
    first = {row.problem_id: row for row in rows}
    votes = {key: votes_of(parsed, has_gold=True, ambiguous_below=0.0) for key, parsed in read.items()}
    voted = {key: vote for key, vote in votes.items() if vote.winner is not None}
    gold = [key for key in voted if problems[key].verifier == "gold"]
    return {
        "problems": len(votes),
        "unanswered": len(votes) - len(voted),
        "unanimous": sum(vote.share == 1.0 for vote in voted.values()),
        "ambiguous": sum(row.ambiguous for row in first.values()),
        "mean_vote_share": fmean(v.share for v in voted.values()) if voted else None,
        "mean_entropy": fmean(v.entropy for v in voted.values()) if voted else None,
        "majority_right": fmean(voted[k].winner == problems[k].answer for k in gold) if gold else None,
    }


def detection(rows: Iterable[Verified]) -> dict[str, Any] | None:
    """Score the ambiguity rule against the problems planted as ambiguous, or ``None`` without any.

    The score of a problem is 1 − vote share; AUROC is the chance that a planted problem scores above
    another (ties count half). Problems that nobody answered take no part, and are counted.
    """
    first = {row.problem_id: row for row in rows}
    voted = [row for row in first.values() if row.vote_share > 0]
    planted = sorted(1 - row.vote_share for row in voted if row.planted == AMBIGUOUS)
    sound = sorted(1 - row.vote_share for row in voted if row.planted != AMBIGUOUS)
    if not planted or not sound:
        return None
    above = sum(bisect_left(sound, score) + bisect_right(sound, score) for score in planted) / 2
    flagged = [row for row in voted if row.ambiguous]
    hits = sum(row.planted == AMBIGUOUS for row in flagged)
    return {
        "planted": len(planted),
        "sound": len(sound),
        "unanswered": len(first) - len(voted),
        "flagged": len(flagged),
        "auroc": above / (len(planted) * len(sound)),
        "precision": hits / len(flagged) if flagged else None,
        "recall": hits / len(planted),
    }
