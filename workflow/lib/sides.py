"""What is good and what is bad for one problem: the strategies behind every pair.

``right_vs_wrong``: good are the samples with the right answer, bad are those with a wrong one (as in
    Iterative RPO, Pang et al. 2024, arXiv 2404.19733, section 2).
``gold_vs_wrong``: good is the text of the gold choice, bad are the texts of the other choices: for problems
    whose choices are whole answers (PIQA). The choice text alone is the completion, as the log-likelihood
    task scores it.
``votes``: without gold; good are the samples with the most frequent answer, bad are those with the least
    frequent one (ScPO, Prasad et al. 2024, arXiv 2411.04109, section 2). Departures: the paper asks for a
    least number of votes of the chosen answer, here the lead over the rejected one must be above
    ``min_vote_margin``; and where two answers share the first place, nothing is good.

Samples that did not end by themselves, without a readable answer, or dropped at verification are on neither
side; the answers of the dropped ones have voted all the same.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from workflow.lib.records import Problem, Verified

JUDGED = ("right", "wrong")  # verdicts on samples whose answer was read and that were not dropped


@dataclass(frozen=True)
class Completion:
    """One text that may be chosen or rejected, and what is known of it."""

    text: str
    problem_id: str  # of the record it stands in
    votes: float | None  # share of its answer among the answers read of the problem, 0 … 1
    logprob: float | None  # mean over its tokens as its teacher sampled them, nats


@dataclass(frozen=True)
class Sides:
    """The completions of one problem that a strategy calls good and bad, repetitions included."""

    good: list[Completion]
    bad: list[Completion]


@dataclass(frozen=True)
class Strategy:
    """How sides are told, how a finished pair is checked against the data, and why a side is empty."""

    sides: Callable[[Problem, Sequence[Verified], float], Sides]
    holds: Callable[[Problem, Sequence[Verified], str, str], bool]  # of a chosen and a rejected text
    none_good: str


def shares(samples: Iterable[Verified]) -> dict[str, float]:
    """Return the share of every answer among the answers read."""
    counts = Counter(sample.parsed for sample in samples if sample.parsed is not None)
    return {answer: count / counts.total() for answer, count in counts.items()}


def completion(sample: Verified, votes: float | None) -> Completion:
    """Return the text of ``sample`` without surrounding white space, and what is known of it."""
    total = sample.logprob if sample.tokens else None  # over its tokens
    mean = None if total is None else total / sample.tokens
    return Completion(sample.text.strip(), sample.problem_id, votes, mean)


def _usable(samples: Iterable[Verified]) -> list[Verified]:
    return [s for s in samples if s.finish_reason == "stop" and s.text.strip() and s.verdict in JUDGED]


def _by_verdict(problem: Problem, samples: Sequence[Verified], min_vote_margin: float) -> Sides:
    votes, usable = shares(samples), _usable(samples)
    known = [(s.verdict, completion(s, votes[str(s.parsed)])) for s in usable]
    return Sides(
        good=[found for verdict, found in known if verdict == "right"],
        bad=[found for verdict, found in known if verdict == "wrong"],
    )


def _by_gold(problem: Problem, samples: Sequence[Verified], min_vote_margin: float) -> Sides:
    if problem.answer not in problem.choices:
        return Sides([], [])
    votes = shares(samples)
    known = {
        choice: Completion(
            choice.strip(), problem.problem_id, votes.get(choice, 0.0) if votes else None, None
        )
        for choice in problem.choices
    }
    return Sides(
        [known[problem.answer]], [found for choice, found in known.items() if choice != problem.answer]
    )


def _by_votes(problem: Problem, samples: Sequence[Verified], min_vote_margin: float) -> Sides:
    votes, usable = shares(samples), _usable(samples)
    most, least = max(votes.values(), default=0.0), min(votes.values(), default=0.0)
    leaders = [answer for answer, share in votes.items() if share == most]
    lead = most - least if len(votes) > 1 else most  # over an answer that nobody gave
    if len(leaders) != 1 or lead <= min_vote_margin:
        return Sides([], [])
    known = [(s.parsed, completion(s, votes[str(s.parsed)])) for s in usable]
    return Sides(
        good=[found for answer, found in known if answer in leaders],
        bad=[found for answer, found in known if answer not in leaders and found.votes == least],
    )


def _right_over_wrong(problem: Problem, samples: Sequence[Verified], chosen: str, rejected: str) -> bool:
    found = {(sample.text.strip(), sample.verdict) for sample in samples}
    return (chosen, "right") in found and (rejected, "wrong") in found


def _gold_over_other(problem: Problem, samples: Sequence[Verified], chosen: str, rejected: str) -> bool:
    return problem.answer is not None and chosen == problem.answer.strip() != rejected


def _more_votes(problem: Problem, samples: Sequence[Verified], chosen: str, rejected: str) -> bool:
    votes = shares(samples)
    share = {s.text.strip(): votes[s.parsed] for s in samples if s.parsed is not None}
    return chosen in share and rejected in share and share[chosen] > share[rejected]


STRATEGIES: dict[str, Strategy] = {
    "right_vs_wrong": Strategy(_by_verdict, _right_over_wrong, "no answer is right"),
    "gold_vs_wrong": Strategy(_by_gold, _gold_over_other, "gold is not one of the choices"),
    "votes": Strategy(_by_votes, _more_votes, "no answer leads by more than min_vote_margin"),
}
