"""How far a dataset can be answered without reasoning, by rules that look at one thing only.

A rule that is right far more often than the best constant answer tells of an artefact, and a model may learn
the artefact in place of the reasoning. Rules are fitted on train and scored on test; the test problems
themselves decide a rule only where its name says so.

Problems come in three forms. *Labels* are choices that many problems share (yes, no); *options* are written
for one problem; *free* answers have no choices. Where a dataset has several sets of labels, as LogiGLUE, each
has its own most frequent answer. A rule that leaves several answers open scores the chance to hit.
"""

import heapq
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier

from workflow.lib.records import Problem
from workflow.lib.statistics import Floats, Settings, mean

MOST_ROWS = 20_000  # of train and of test, the first by identifier, which is a hash
LABEL_USES = 10  # problems that share a set of choices, at least, for these to be labels …
LABEL_SHARE = 0.01  # … and this share of all problems, which bounds the number of sets
FEATURES = 1 << 16  # of the hashed words and pairs of words
PASSES = 20  # of the linear classifier over train
# The intervals describe the data: fixed, so that no setting of the analysis makes the data anew.
INTERVALS = Settings(resamples=1000, confidence=0.95, seed=1, examples=0)

# One answer to all; that of train first, for the test problems choose the other one to suit them.
CONSTANT = ("most frequent answer of train", "most frequent answer of test")
AFFIRM, DENY = ("yes", "true", "entailment"), ("no", "false", "contradiction")
NEGATION = re.compile(
    r"\b(?:no|not|cannot|never|none|neither|nor|nobody|nothing|nowhere|without)\b|n['’]t\b", re.IGNORECASE
)
PLACE = re.compile(r"(?P<file>.+) row \d+(?: question (?P<question>\d+))?", re.DOTALL)


@dataclass(frozen=True)
class Baseline:
    """One rule that does not reason, and how often it is right on the test problems that it applies to."""

    name: str
    looks_at: str  # what the rule sees and says, for people
    accuracy: float
    low: float | None  # of the interval over groups; None where there is none
    high: float | None
    interval: str  # its kind, or why there is none
    n: int  # test problems that the rule applies to
    groups: int
    chance: float | None  # of a guess among the choices; None where there are none
    majority: float  # accuracy of the best constant answer on the same problems


@dataclass(frozen=True)
class Item:
    """A problem as the rules see it."""

    problem: Problem
    labels: tuple[str, ...]  # its choices in the order of the alphabet, where many problems share them
    number: int | None  # of the question within its context

    @property
    def form(self) -> tuple[str, ...] | int:
        """Return what problems must share for one constant answer: their labels, or a number of options."""
        return self.labels or len(self.problem.choices)

    @property
    def gold(self) -> str | int:
        """Return the right label or free answer, or the place of the right option."""
        answer = str(self.problem.answer)
        return answer if self.labels or not self.problem.choices else self.problem.choices.index(answer)

    @property
    def all_answers(self) -> set[str | int]:
        """Return every answer that the choices allow."""
        return set(self.labels) or set(range(len(self.problem.choices)))

    def label(self, names: Sequence[str]) -> str | None:
        """Return the label that is one of ``names``, whatever its case."""
        return next((label for label in self.labels if label.casefold() in names), None)


Answers = set[str | int]  # those that a rule leaves open for one problem
Guess = Callable[[Sequence[Item], Sequence[Item]], list[Answers] | None]  # from train, for test


@dataclass(frozen=True)
class Rule:
    """A way to answer; ``guess`` returns None where train has nothing to learn it from."""

    name: str
    looks_at: str
    applies: Callable[[Item], bool]
    guess: Guess


def baselines(train: Iterable[Problem], test: Iterable[Problem]) -> list[Baseline]:
    """Return how often each rule is right on ``test``; one that applies to no problem is not there."""
    learnt, asked = items_of(train, test)
    found = (score(rule, learnt, asked) for rule in RULES)
    return [baseline for baseline in found if baseline is not None]


def items_of(train: Iterable[Problem], test: Iterable[Problem]) -> tuple[list[Item], list[Item]]:
    """Return the problems with a gold answer, at most ``MOST_ROWS`` of each split, with their forms."""
    splits = [
        heapq.nsmallest(MOST_ROWS, (p for p in split if has_gold(p)), key=lambda p: (p.problem_id, p.source))
        for split in (train, test)
    ]
    everything = [problem for split in splits for problem in split]
    uses = Counter(tuple(sorted(problem.choices)) for problem in everything if problem.choices)
    enough = max(LABEL_USES, LABEL_SHARE * len(everything))
    numbers = [number for p in everything if (number := question_number(p.source)) is not None]
    several = max(numbers, default=0) > 1

    def item(problem: Problem) -> Item:
        choices = tuple(sorted(problem.choices))
        number = question_number(problem.source) if several else None
        return Item(problem, choices if uses[choices] >= enough else (), number)

    learnt, asked = ([item(problem) for problem in split] for split in splits)
    return learnt, asked


def has_gold(problem: Problem) -> bool:
    """Return whether a gold answer decides, and not a verifier."""
    return problem.verifier == "gold" and problem.answer is not None


def question_number(source: str) -> int | None:
    """Return the number of the question within its context, where ``source`` tells it."""
    place = PLACE.fullmatch(source)
    return int(place["question"]) if place and place["question"] else None


def file_of(source: str) -> str:
    """Return the file that a row was read from."""
    place = PLACE.fullmatch(source)
    return place["file"] if place else source


def score(rule: Rule, train: Sequence[Item], test: Sequence[Item]) -> Baseline | None:
    """Return how often ``rule`` is right on the test problems that it applies to."""
    learnt, asked = ([item for item in split if rule.applies(item)] for split in (train, test))
    guesses = rule.guess(learnt, asked) if asked else None
    if guesses is None:
        return None
    groups = [item.problem.group_id for item in asked]
    estimate = mean(hits(guesses, asked), groups, INTERVALS)
    sizes = [len(item.problem.choices) for item in asked]
    return Baseline(
        name=rule.name,
        looks_at=rule.looks_at,
        accuracy=float(estimate.value or 0.0),
        low=estimate.low,
        high=estimate.high,
        interval=estimate.interval,
        n=estimate.n,
        groups=estimate.groups,
        chance=float(np.mean([1 / size for size in sizes])) if all(sizes) else None,
        majority=float(hits(most_frequent(asked, asked, lambda item: item.form), asked).mean()),
    )


def hits(guesses: Sequence[Answers], items: Sequence[Item]) -> Floats:
    """Return the chance that a draw from the answers left open is the right one, (N,)."""
    pairs = zip(guesses, items, strict=True)
    return np.array([(item.gold in guess) / max(len(guess), 1) for guess, item in pairs])


def most_frequent(
    train: Sequence[Item], test: Sequence[Item], cue: Callable[[Item], Hashable]
) -> list[Answers]:
    """Return what is most often right in train where the cue is the same; any answer where it never is."""
    counts: dict[Hashable, Counter[str | int]] = {}
    for item in train:
        counts.setdefault(cue(item), Counter())[item.gold] += 1
    open_answers = {seen: best(some) for seen, some in counts.items()}
    return [open_answers.get(cue(item), item.all_answers) for item in test]


def by(cue: Callable[[Item], Hashable]) -> Guess:
    """Return the rule that says what is most often right in train where the cue is the same."""
    return lambda train, test: most_frequent(train, test, cue) if train else None


def always(answer: Callable[[Item], Answers]) -> Guess:
    """Return a rule that learns nothing."""
    return lambda train, test: [answer(item) for item in test]


def affirm_if(condition: Callable[[Item], bool]) -> Guess:
    """Return the rule that affirms where the condition holds and denies elsewhere."""
    return always(lambda item: {str(item.label(AFFIRM if condition(item) else DENY))})


def by_length(extreme: Callable[[Iterable[int]], int]) -> Guess:
    """Return the rule that chooses the option of least or greatest length in characters."""

    def choose(item: Item) -> Answers:
        lengths = [len(choice) for choice in item.problem.choices]
        return {place for place, length in enumerate(lengths) if length == extreme(lengths)}

    return always(choose)


def by_words(text: Callable[[Item], str]) -> Guess:
    """Return the rule that chooses the label by a linear function of the words of a text."""

    def guess(train: Sequence[Item], test: Sequence[Item]) -> list[Answers] | None:
        names = sorted({str(item.gold) for item in train})
        if len(names) < 2:
            return None
        targets = [names.index(str(item.gold)) for item in train]
        scores = linear([text(item) for item in train], targets, [text(item) for item in test])
        return [
            best({name: row[names.index(name)] for name in item.labels if name in names}) or item.all_answers
            for item, row in zip(test, scores, strict=True)
        ]

    return guess


def by_words_of_options(train: Sequence[Item], test: Sequence[Item]) -> list[Answers] | None:
    """Choose the option whose words, alone, look most like those of right options in train."""
    if not train:
        return None
    options = [
        (choice, place == item.gold) for item in train for place, choice in enumerate(item.problem.choices)
    ]
    texts, targets = [choice for choice, _ in options], [int(right) for _, right in options]
    scores = iter(linear(texts, targets, [choice for item in test for choice in item.problem.choices])[:, 1])
    return [best({place: next(scores) for place in range(len(item.problem.choices))}) for item in test]


def linear(train: Sequence[str], targets: Sequence[int], test: Sequence[str]) -> Floats:
    """Return the score of each class for each test text, (N, classes), from its words and pairs of words."""
    words = HashingVectorizer(n_features=FEATURES, ngram_range=(1, 2))
    model: Any = SGDClassifier(loss="log_loss", max_iter=PASSES, tol=None, average=True, random_state=0)
    model.fit(words.transform(train), targets)
    scores = np.asarray(model.decision_function(words.transform(test)), dtype=np.float64)
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores


def best(scores: Mapping[Any, float]) -> Answers:
    """Return the answers with the greatest score."""
    greatest = max(scores.values(), default=0)
    return {answer for answer, value in scores.items() if value == greatest}


def has_labels(item: Item) -> bool:
    """Return whether the choices are labels."""
    return bool(item.labels)


def has_options(item: Item) -> bool:
    """Return whether the choices are written for this problem, two or more of them."""
    return not item.labels and len(item.problem.choices) > 1


def is_free(item: Item) -> bool:
    """Return whether there are no choices."""
    return not item.problem.choices


def can_deny(item: Item) -> bool:
    """Return whether one label affirms and another denies."""
    return item.label(AFFIRM) is not None and item.label(DENY) is not None


RULES = (
    Rule(
        CONSTANT[1],
        "Nothing: the answer that is most frequent in the test problems themselves, for each set of labels.",
        has_labels,
        lambda train, test: most_frequent(test, test, lambda item: item.form),
    ),
    Rule(
        CONSTANT[0],
        "Nothing: the answer that is most frequent in train, for each set of labels.",
        has_labels,
        by(lambda item: item.form),
    ),
    Rule(
        "most frequent free answer of train",
        "Nothing: the answer that is most frequent in train, where there are no choices.",
        is_free,
        by(lambda item: item.form),
    ),
    Rule(
        "always no",
        "Nothing: every answer is 'no' (or 'false', or 'contradiction').",
        can_deny,
        affirm_if(lambda item: False),
    ),
    Rule(
        "first question yes",
        "The first question of a context is 'yes' and the rest 'no'.",
        lambda item: can_deny(item) and item.number is not None,
        affirm_if(lambda item: item.number == 1),
    ),
    Rule(
        "negation in the question",
        "The answer is 'no' where the question has a negation and 'yes' elsewhere.",
        can_deny,
        affirm_if(lambda item: not NEGATION.search(item.problem.question)),
    ),
    Rule(
        "words of the question",
        "The words of the question tell the answer without the context.",
        lambda item: has_labels(item) and bool(item.problem.question),
        by_words(lambda item: item.problem.question),
    ),
    Rule(
        "words of the context",
        "The words of the context tell the answer without the question.",
        lambda item: has_labels(item) and bool(item.problem.context),
        by_words(lambda item: item.problem.context),
    ),
    Rule(
        "place of the option",
        "The right option stands at the place that is most often right in train.",
        has_options,
        by(lambda item: item.form),
    ),
    Rule("shortest option", "The right option is the shortest.", has_options, by_length(min)),
    Rule("longest option", "The right option is the longest.", has_options, by_length(max)),
    Rule(
        "words of the options",
        "The words of the options tell the right one without question and context.",
        has_options,
        by_words_of_options,
    ),
)
