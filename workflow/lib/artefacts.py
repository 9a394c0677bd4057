"""What the card of a dataset says in plain sentences: artefacts, and how the rows hang together."""

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workflow.lib.baselines import CONSTANT, Baseline, file_of, has_gold
from workflow.lib.records import Problem, Record, short_hash
from workflow.lib.statistics import NOISE
from workflow.lib.wording import bracket, count, listed, plural, share

FEW_GROUPS = 20  # below this many a bootstrap over groups gives intervals that are too narrow
MOST_NAMES = 20  # different answers of a file, above which they are no label names


@dataclass(frozen=True)
class Traits:
    """How the rows of a dataset hang together."""

    groups: int
    in_several: dict[str, int]  # groups in more than one "file", "category" and "rule"
    files: list[str]  # the two files that share most groups; empty where none do
    pairs: int  # problems of two choices, not both of one word
    one_word_pairs: int  # those whose choices differ in exactly one word
    answers: dict[str, dict[str, int]]  # by file, where a file has at most ``MOST_NAMES`` different ones


def traits(problems: Iterable[Problem]) -> Traits:
    """Return how the groups, choices and answers of all problems of a dataset hang together."""
    first: dict[str, tuple[str, str, str]] = {}  # of each group: file, category, rule
    several: dict[str, dict[str, frozenset[str]]] = {"file": {}, "category": {}, "rule": {}}
    known: dict[Any, Any] = {}  # one copy of each value of the two above, to spare memory
    answers: dict[str, Counter[str]] = {}
    pairs = one_word_pairs = 0
    for problem in problems:
        here = (file_of(problem.source), problem.category, problem.rule)
        before = first.setdefault(problem.group_id, known.setdefault(here, here))
        for kind, now, then in zip(several, here, before, strict=True):
            if now != then:
                names = several[kind].get(problem.group_id, frozenset({then})) | {now}
                several[kind][problem.group_id] = known.setdefault(names, names)
        if has_gold(problem):
            uses = answers.setdefault(here[0], Counter())
            if len(uses) <= MOST_NAMES:
                uses[name_in_file(problem)] += 1
        words = [choice.split() for choice in problem.choices]
        if len(words) == 2 and max(map(len, words)) > 1:
            pairs += 1
            one_word_pairs += differing_words(*words) == 1
    shared = [sorted(files)[:2] for files in several["file"].values()]
    together = Counter((left, right) for left, right in shared)
    ranked = sorted(together, key=lambda pair: (-together[pair], pair))
    return Traits(
        groups=len(first),
        in_several={kind: len(groups) for kind, groups in several.items()},
        files=list(ranked[0]) if ranked else [],
        pairs=pairs,
        one_word_pairs=one_word_pairs,
        answers={f: dict(sorted(n.items())) for f, n in sorted(answers.items()) if len(n) <= MOST_NAMES},
    )


def name_in_file(problem: Problem) -> str:
    """Return what the file calls the gold answer: an adapter that renames it keeps the name as "label"."""
    kept = json.loads(problem.instance) if problem.instance else {}
    return str(kept.get("label", problem.answer))


def differing_words(left: Sequence[str], right: Sequence[str]) -> int | None:
    """Return in how many words two texts of equally many words differ; None where one has more."""
    return sum(a != b for a, b in zip(left, right, strict=True)) if len(left) == len(right) else None


def findings(found: Sequence[Baseline], facts: Traits) -> list[str]:
    """Return what a reader of the card must know, in plain sentences, most important first."""
    sure = [b for b in found if b.low is not None and b.groups >= FEW_GROUPS]
    artefacts = [b for b in sure if above(b, b.majority) and above(b, b.chance)]
    constant = [b for name in CONSTANT for b in sure if b.name == name][:1]
    return [
        *[artefact(baseline) for baseline in sorted(artefacts, key=lambda b: b.majority - b.accuracy)],
        *[imbalance(baseline) for baseline in constant if above(baseline, baseline.chance)],
        *shared_groups(facts),
        *one_word_pairs(facts),
        *label_names(facts.answers),
    ]


def above(baseline: Baseline, value: float | None) -> bool:
    """Return whether the whole interval of a baseline is above ``value``; above nothing, it is."""
    return value is None or (baseline.low is not None and baseline.low > value + NOISE)


def artefact(baseline: Baseline) -> str:
    """Return the sentence for a rule that is right more often than any constant answer."""
    return (
        f"{baseline.looks_at.removesuffix('.')}: a rule that looks at nothing else is right in "
        f"{rate(baseline)}; the best constant answer in {share(str(baseline.majority))}\u202f%."
    )


def imbalance(baseline: Baseline) -> str:
    """Return the sentence for labels that are not in balance."""
    return (
        f"The answers are not in balance: the most frequent one is right in {rate(baseline)}; "
        f"a guess in {share(str(baseline.chance))}\u202f%."
    )


def rate(baseline: Baseline) -> str:
    """Return accuracy, interval and number of problems of a baseline."""
    between = bracket(str(baseline.low), str(baseline.high))
    return f"{share(str(baseline.accuracy))}\u202f% {between} of {plural(baseline.n, 'test problem')}"


def shared_groups(facts: Traits) -> list[str]:
    """Return a sentence for each way in which groups reach across the dataset."""
    files = f", most often in {listed(facts.files)}" if facts.files else ""
    consequence = {
        "file": f"{files}: a model that trains on one file has read what the other asks about",
        "category": ": results by category hang together",
        "rule": ": results by rule hang together",
    }
    return [
        f"{count(str(number))} of {plural(facts.groups, 'group')} (problems about one text) "
        f"{'is' if number == 1 else 'are'} in more than one {kind}{consequence[kind]}."
        for kind, number in facts.in_several.items()
        if number
    ]


def one_word_pairs(facts: Traits) -> list[str]:
    """Return a sentence where two choices often differ in one word only."""
    if not facts.one_word_pairs:
        return []
    part = share(str(facts.one_word_pairs / facts.pairs))
    return [
        f"In {count(str(facts.one_word_pairs))} of {plural(facts.pairs, 'problem')} ({part}\u202f%) "
        "the two choices differ in exactly one word."
    ]


def label_names(answers: dict[str, dict[str, int]]) -> list[str]:
    """Return a sentence for each two sets of answers that share some names, and each has names of its own."""
    sets: dict[tuple[str, ...], list[str]] = {}
    for file, names in answers.items():
        sets.setdefault(tuple(names), []).append(file)
    every = sorted(sets)
    return [
        f"The answers have different names in {sets[left][0]} ({listed(list(left))}) and in "
        f"{sets[right][0]} ({listed(list(right))}): one answer may go by two names."
        for place, left in enumerate(every)
        for right in every[place + 1 :]
        if set(left) & set(right) and set(left) - set(right) and set(right) - set(left)
    ]


def examples(records: Iterable[Record], seed: int, number: int) -> list[dict[str, Any]]:
    """Return ``number`` records as JSON, chosen by a hash of the seed and their identifier alone."""
    chosen = heapq.nsmallest(number, records, key=lambda r: (short_hash(str(seed), r.problem_id), r.source))
    return [asdict(record) for record in chosen]
