"""How well the votes of the samples find bad problems, where it is known which are bad.

Known bad are problems that a generator planted, or that people marked: ``planted`` is "ambiguous" or
"mislabelled". A score is a number per problem, higher for a worse one; every score is told by

    AUROC = P(score of a bad problem > score of a sound one) + ½ P(equal)
    average precision = Σ_k (R_k − R_{k−1}) P_k over the distinct scores, from the highest on

with P_k and R_k the precision and recall of flagging all problems with that score or a higher one. No
precision is interpolated, so it equals scikit-learn's ``average_precision_score``.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

from workflow.lib.records import ProblemSignals

AMBIGUOUS = "ambiguous"  # values of ``planted``
MISLABELLED = "mislabelled"
THRESHOLDS = tuple(k / 20 for k in range(8, 21))  # 0.40 … 1.00, candidates for rationales.ambiguous_below
Score = Callable[[ProblemSignals], float | None]
DISAGREEMENT: dict[str, Score] = {
    "vote_share": lambda s: 1 - s.vote_share,
    "entropy": lambda s: s.entropy,
    "pair_gap": lambda s: s.pair_gap,  # |share of yes to P + share of yes to not-P − 1|
    "untold": lambda s: s.untold,
    "teachers": lambda s: None if s.teacher_agreement is None else 1 - s.teacher_agreement,
}
"""Scores of ambiguity; the rule ``ambiguous_below`` cuts the one that ``ambiguous_by`` names."""
AGREED: dict[str, Score] = {
    "vote_share": lambda s: s.vote_share,
    "untold": lambda s: None if s.untold is None else 1 - s.untold,
}
"""What ``ambiguous_below`` is a limit of, as in ``workflow.lib.problems.AGREEMENT``."""
AGAINST_GOLD: dict[str, Score] = {
    "gold_share": lambda s: None if s.gold_share is None else 1 - s.gold_share,
    "vote_share": lambda s: None if s.answer is None else s.vote_share if s.majority != s.answer else 0.0,
}
"""Scores of a wrong label: votes against it, and votes for one other answer if that is the majority."""


def auroc(bad: Sequence[float], sound: Sequence[float]) -> float:
    """Return the chance that a bad problem's score is above a sound one's; ties count half."""
    ranked = sorted(sound)
    above = sum(bisect_left(ranked, score) + bisect_right(ranked, score) for score in bad) / 2
    return above / (len(bad) * len(sound))


def average_precision(bad: Sequence[float], sound: Sequence[float]) -> float:
    """Return the mean of the precision over the steps of the recall: see the head of this module."""
    marked = sorted([(-score, True) for score in bad] + [(-score, False) for score in sound])
    total, hits, flagged = 0.0, 0, 0
    for _, same in groupby(marked, key=lambda item: item[0]):
        found = [is_bad for _, is_bad in same]
        hits, flagged = hits + sum(found), flagged + len(found)
        total += sum(found) * hits / flagged
    return total / len(bad)


def hits_of(flagged: Sequence[ProblemSignals], kind: str, bad: int) -> dict[str, Any]:
    """Return the number of flagged problems, and precision and recall of the flag."""
    hits = sum(s.planted == kind for s in flagged)
    return {
        "flagged": len(flagged),
        "precision": hits / len(flagged) if flagged else None,
        "recall": hits / bad,
    }


def compared(signals: Sequence[ProblemSignals], kind: str, scores: dict[str, Score]) -> list[dict[str, Any]]:
    """Return AUROC and average precision of every score, and the first score's on the same problems.

    A score that few problems have, as that of opposite questions, is so compared on equal terms. Problems
    that have no score take no part; a score without bad or without sound problems is left out.
    """
    first, lines = next(iter(scores.values())), []
    for name, score in scores.items():
        known = [(score(s), first(s), s.planted == kind) for s in signals]
        bad = [(own, base) for own, base, is_bad in known if is_bad and own is not None]
        sound = [(own, base) for own, base, is_bad in known if not is_bad and own is not None]
        if bad and sound:
            own_bad, own_sound = [own for own, _ in bad], [own for own, _ in sound]
            base_bad = [base for _, base in bad if base is not None]
            base_sound = [base for _, base in sound if base is not None]
            lines.append(
                {
                    "score": name,
                    "planted": len(bad),
                    "sound": len(sound),
                    "auroc": auroc(own_bad, own_sound),
                    "average_precision": average_precision(own_bad, own_sound),
                    f"auroc_of_{next(iter(scores))}": auroc(base_bad, base_sound),
                }
            )
    return lines


def detection(signals: Iterable[ProblemSignals], by: str = "vote_share") -> dict[str, Any] | None:
    """Score the ambiguity rule against the problems known to be ambiguous, or ``None`` without any.

    The first score is that of the rule, as 1 − vote share. Problems that nobody answered take no part, and
    are counted. ``thresholds`` tells what each value of ``rationales.ambiguous_below`` would have flagged.

    Args:
        signals: What the samples say of each problem.
        by: The measure that the rule cuts, ``rationales.ambiguous_by``.
    """
    every = list(signals)
    voted = [s for s in every if s.vote_share > 0]
    scores = compared(voted, AMBIGUOUS, {by: DISAGREEMENT[by], **DISAGREEMENT})
    if not scores:
        return None
    planted, sound = scores[0]["planted"], scores[0]["sound"]
    return {
        "planted": planted,
        "sound": sound,
        "unanswered": len(every) - len(voted),
        "auroc": scores[0]["auroc"],
        "average_precision": scores[0]["average_precision"],
        **hits_of([s for s in voted if s.ambiguous], AMBIGUOUS, planted),
        "thresholds": [
            {"ambiguous_below": below}
            | hits_of(
                [s for s in voted if s.answer is not None and _below(AGREED[by](s), below)],
                AMBIGUOUS,
                planted,
            )
            for below in THRESHOLDS
        ],
        "scores": scores,
    }


def _below(agreement: float | None, limit: float) -> bool:
    return agreement is not None and agreement < limit


def label_detection(signals: Iterable[ProblemSignals]) -> dict[str, Any] | None:
    """Score the marks on suspect labels against the labels known to be wrong, or ``None`` without any."""
    every = list(signals)
    voted = [s for s in every if s.vote_share > 0]
    scores = compared(voted, MISLABELLED, AGAINST_GOLD)
    if not scores:
        return None
    planted = scores[0]["planted"]
    return {
        "planted": planted,
        "sound": scores[0]["sound"],
        "unanswered": len(every) - len(voted),
        **hits_of([s for s in voted if s.label_suspect], MISLABELLED, planted),
        "scores": scores,
    }
