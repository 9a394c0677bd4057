"""What all samples of a problem say together, and what they say of the problem itself.

The vote is over the answers read, of all teachers. Its majority is the self-consistency answer (Wang et al.
2022, arXiv 2203.11171, section 2).

Marks are shown to people and counted; what leaves a problem out is said where it is left out. A problem is
ambiguous by one stated rule: it has gold, some answer could be read, and the samples agree less than
``ambiguous_below`` by the measure that ``ambiguous_by`` names (``AGREEMENT``). A problem with a verifier may
have many right answers, so disagreement says nothing there; one without a readable answer is unanswered, not
ambiguous. Its label is suspect where many samples agree on another answer than gold.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

from workflow.lib.answers import plain
from workflow.lib.claims import claim_of, opposites
from workflow.lib.records import Problem, ProblemSignals, Verified


@dataclass(frozen=True)
class Votes:
    """What the samples of one problem say together."""

    share: float  # of the most frequent answer among the answers read; 0 if none was read
    entropy: float  # of the answers read, nats
    winner: str | None  # the most frequent answer, the first in alphabetical order among equals


AGREEMENT: dict[str, Callable[[Sequence[Verified]], float]] = {
    "vote_share": lambda rows: rows[0].vote_share,
    "untold": lambda rows: 1 - fmean(row.conclusion_agrees is None for row in rows),
}
"""How far the samples of a problem agree, 0 … 1; only samples whose answer could be read are given.

``untold`` is the share of those whose steps come to a conclusion, whatever it is.
"""
IN_WORDS = {
    "vote_share": "vote share",
    "untold": "share of samples whose steps come to a conclusion",
}


@dataclass(frozen=True)
class Suspicion:
    """When a majority against gold makes a label suspect."""

    share: float  # of the answers read that are the same, at least
    votes: int  # answers read, at least


def votes_of(parsed: Iterable[str | None]) -> Votes:
    """Return the vote over the parsed answers of one problem; ``None`` (nothing read) does not vote."""
    counts = Counter(answer for answer in parsed if answer is not None)
    total = counts.total()
    if total == 0:
        return Votes(share=0.0, entropy=0.0, winner=None)
    winner, most = min(counts.items(), key=lambda item: (-item[1], item[0]))
    entropy = math.fsum(n / total * math.log(total / n) for n in counts.values())
    return Votes(most / total, entropy, winner)


def ambiguous_problems(
    rows: Iterable[Verified], problems: Mapping[str, Problem], below: float, by: str
) -> set[str]:
    """Return the problems with gold whose samples in ``rows`` agree less than ``below``.

    Args:
        rows: Samples that vote.
        problems: Their problems, by id.
        below: Agreement from which on a problem is not ambiguous.
        by: Name of the measure in ``AGREEMENT``.
    """
    answered: dict[str, list[Verified]] = defaultdict(list)
    for row in rows:
        if row.parsed is not None and problems[row.problem_id].verifier == "gold":
            answered[row.problem_id].append(row)
    return {key for key, own in answered.items() if AGREEMENT[by](own) < below}


def opposite_questions(problems: Iterable[Problem]) -> dict[str, str]:
    """Return the problem that asks for the opposite, by problem, where there is one.

    Both are yes/no questions of one group about the same context, and what they claim are opposites
    (``workflow.lib.claims``). A problem has one opposite at most: the first by identifier that is free.
    """
    asked: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        if {plain(choice) for choice in problem.choices} == {"yes", "no"}:
            asked[problem.group_id, problem.context].append(problem)
    found: dict[str, str] = {}
    for group in asked.values():
        claims = {p.problem_id: claim_of(p.question) for p in group}
        for one, other in combinations(sorted(claims), 2):
            free = one not in found and other not in found
            if free and opposites(claims[one], claims[other]):
                found |= {one: other, other: one}
    return found


def signals_of(
    rows: Sequence[Verified], problems: Mapping[str, Problem], suspicion: Suspicion
) -> list[ProblemSignals]:
    """Return what the samples in ``rows`` say of each of their problems, by identifier."""
    samples: dict[str, list[Verified]] = defaultdict(list)
    for row in rows:
        samples[row.problem_id].append(row)
    votes = {key: votes_of(row.parsed for row in own) for key, own in samples.items()}
    opposite = opposite_questions(problems[key] for key in samples)
    yes = {key: _share([row.parsed for row in own], "yes") for key, own in samples.items()}
    return [
        _signals(
            problems[key], samples[key], votes[key], suspicion, _pair(opposite.get(key), key, votes, yes)
        )
        for key in sorted(samples)
    ]


def _pair(
    opposite: str | None, key: str, votes: Mapping[str, Votes], yes: Mapping[str, float | None]
) -> tuple[str | None, bool | None, float | None]:
    """Return the opposite question, whether the two answers agree, and how far their votes are from it."""
    one, other = yes[key], yes[opposite] if opposite is not None else None
    if opposite is None or one is None or other is None:
        return opposite, None, None
    both = all(plain(str(votes[name].winner)) == "yes" for name in (key, opposite))
    return opposite, not both, abs(one + other - 1)


def _signals(
    problem: Problem,
    samples: Sequence[Verified],
    votes: Votes,
    suspicion: Suspicion,
    pair: tuple[str | None, bool | None, float | None],
) -> ProblemSignals:
    answered = [row for row in samples if row.parsed is not None]
    read = [row.parsed for row in answered]
    right = sum(row.right for row in samples)
    gold = problem.answer if problem.verifier == "gold" else None
    many = len(read) >= suspicion.votes and votes.share >= suspicion.share
    return ProblemSignals(
        problem_id=problem.problem_id,
        group_id=problem.group_id,
        split=samples[0].split,
        category=problem.category,
        rule=problem.rule,
        samples=len(samples),
        answered=len(read),
        right=right,
        answer=gold,
        majority=votes.winner,
        vote_share=votes.share,
        entropy=votes.entropy,
        gold_share=None if gold is None else _share(read, gold),
        opposite=pair[0],
        consistent=pair[1],
        pair_gap=pair[2],
        teacher_agreement=_agreement(samples, votes.winner),
        untold=fmean(row.conclusion_agrees is None for row in answered) if answered else None,
        logprob_right=_mean(row.logprob for row in samples if row.right),
        logprob_wrong=_mean(row.logprob for row in answered if not row.right),
        difficulty={0: "hard", len(samples): "easy"}.get(right, "mixed"),
        ambiguous=samples[0].ambiguous,
        label_suspect=gold is not None and many and plain(str(votes.winner)) != plain(gold),
        planted=problem.planted,
    )


def _share(parsed: Sequence[str | None], answer: str) -> float | None:
    read = [given for given in parsed if given is not None]
    return sum(plain(given) == plain(answer) for given in read) / len(read) if read else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _agreement(samples: Sequence[Verified], majority: str | None) -> float | None:
    """Return the share of teachers whose own majority is that of all; ``None`` for fewer than two."""
    own: dict[str, list[str | None]] = defaultdict(list)
    for row in samples:
        own[row.teacher].append(row.parsed)
    winners = [votes_of(parsed).winner for parsed in own.values()]
    told = [winner for winner in winners if winner is not None]
    return sum(winner == majority for winner in told) / len(told) if len(told) > 1 else None


def vote_statistics(signals: Sequence[ProblemSignals]) -> dict[str, Any]:
    """Return how the votes of the problems fell out, and how many have each mark."""
    voted = [s for s in signals if s.majority is not None]
    gold = [s for s in voted if s.answer is not None]
    paired = [s for s in signals if s.consistent is not None]
    agreed = [s.teacher_agreement for s in signals if s.teacher_agreement is not None]
    return {
        "problems": len(signals),
        "unanswered": len(signals) - len(voted),
        "unanimous": sum(s.vote_share == 1.0 for s in voted),
        "ambiguous": sum(s.ambiguous for s in signals),
        "label_suspect": sum(s.label_suspect for s in signals),
        "difficulty": dict(sorted(Counter(s.difficulty for s in signals).items())),
        "opposite_pairs": len(paired) // 2,
        "inconsistent_pairs": sum(s.consistent is False for s in paired) // 2,
        "mean_vote_share": fmean(s.vote_share for s in voted) if voted else None,
        "mean_entropy": fmean(s.entropy for s in voted) if voted else None,
        "majority_right": fmean(s.majority == s.answer for s in gold) if gold else None,
        "mean_teacher_agreement": fmean(agreed) if agreed else None,
    }


def suspects(signals: Iterable[ProblemSignals], most: int) -> list[dict[str, Any]]:
    """Return up to ``most`` problems whose label is suspect, those with the most votes against it first."""
    found = [asdict(s) for s in signals if s.label_suspect]
    found.sort(key=lambda s: (-s["vote_share"], -s["answered"], s["problem_id"]))
    shown = ("problem_id", "answer", "majority", "vote_share", "answered")
    return [{name: s[name] for name in shown} for s in found[:most]]
