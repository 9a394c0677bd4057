"""Which of two answers to one question is better, as a judge says: every trained policy's against the base's.

A judge is a teacher. It is shown what the policies were asked and both answers to the same problem, repeat
and seed, in both orders, because judges favour a place (Zheng et al. 2023, arXiv 2306.05685, section 3.3): an
answer wins where both replies name it, and the pair is split where they name two. Thoughts are not shown
where an answer with steps follows them. Equal texts are a tie that nobody is asked about, and two texts are
asked about once however many policies and seeds wrote them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow.lib.asking import Question
from workflow.lib.errors import IntegrityError
from workflow.lib.opinions import AND, PLACES, UNPARSED, once, outcomes, said, spoken
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Opinion, Sample, short_hash
from workflow.lib.samples import grouped, load_samples, paired
from workflow.lib.sights import RIVALS

BASE = "base"
PLACE = ("dataset", "model", "task")
EQUAL, SPLIT = "equal", "split"
WORTH = {"win": 1.0, SPLIT: 0.5, EQUAL: 0.5, "loss": 0.0}  # of each end that counts, to the policy


@dataclass(frozen=True)
class DuelSettings:
    """The section ``evaluation.judge`` of the config."""

    by: str  # teacher that judges
    prompt: str  # prompt file that shows two answers
    task: str  # whose answers are judged
    temperature: float
    problems: int  # held-out problems whose answers are judged

    def asked_once(self, teacher: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of a teacher that replies once to each question."""
        return once(teacher, self.temperature)


@dataclass(frozen=True)
class Shown:
    """Two answers to one question, as a judge sees them."""

    asked: str  # user turn of the policies
    first: str
    second: str


@dataclass(frozen=True)
class Duel:
    """How the answer of a policy fared against the base's."""

    ours: Sample
    base: Sample
    end: str  # win | loss | split | equal | unparsed
    places: list[str]  # that the readable replies name


def answer_of(sample: Sample) -> str:
    """Return the answer as a judge sees it."""
    return spoken(sample.text).strip()


def answer_id(sample: Sample) -> str:
    """Return the id of an answer: the same for the same text to the same problem."""
    return "a" + short_hash(sample.dataset, sample.model, sample.problem_id, answer_of(sample))


def pairs_of(samples: Iterable[Sample], problems: int) -> list[tuple[Sample, Sample]]:
    """Return the answers to be judged, each with the base's to the same problem, repeat and seed.

    Args:
        samples: Answers of all policies.
        problems: How many problems of each task are judged: the first by id, and ids are hashes.
    """
    found = []
    for place in grouped(samples, *PLACE).values():
        kept = set(sorted({sample.problem_id for sample in place})[:problems])
        policies = grouped((sample for sample in place if sample.problem_id in kept), "method")
        base = policies.pop((BASE,))
        found += [pair for policy in policies.values() for pair in paired(policy, base)]
    return found


def duel_questions(pairs: Iterable[tuple[Sample, Sample]], prompt: PromptFile) -> list[Question]:
    """Return the questions which answer is better, both orders of every two texts that differ, each once."""
    asked = {}
    for pair in pairs:
        for one, other in (pair, pair[::-1]):
            key = f"{answer_id(one)}{AND}{answer_id(other)}"
            if answer_id(one) != answer_id(other):
                told = prompt.render(Shown(one.prompt, answer_of(one), answer_of(other)))
                asked[key] = Question(key, "test", told)
    return list(asked.values())


def questions_between(samples: Sequence[str], prompt: str | Path, problems: int) -> list[Question]:
    """Return what a judge is asked about the answers in the files ``samples``; see ``pairs_of``."""
    pairs = pairs_of(load_samples(samples), problems)
    found = duel_questions(pairs, PromptFile(prompt, RIVALS))
    equal = sum(answer_id(ours) == answer_id(base) for ours, base in pairs)
    print(f"{len(pairs)} pairs of answers, {equal} of equal texts; {len(found)} questions", flush=True)
    return found


def duels(pairs: Sequence[tuple[Sample, Sample]], given: Sequence[Opinion]) -> list[Duel]:
    """Return how each pair ended by what a judge replied.

    Raises:
        IntegrityError: Two texts differ, and the judge has not been asked about both orders.
    """
    replies = {(o.rationale_id, o.against): said(o) for o in given}
    orders = {(answer_id(one), answer_id(other)) for p in pairs for one, other in (p, p[::-1])}
    lost = sorted((one, other) for one, other in orders - replies.keys() if one != other)
    if lost:
        raise IntegrityError(
            f"judged answers: no reply on {len(lost)} orders, as {lost[0]}. Fix: judge again."
        )
    ends = outcomes(given)
    return [_duel(ours, base, replies, ends) for ours, base in pairs]


def _duel(
    ours: Sample,
    base: Sample,
    replies: Mapping[tuple[str, str], str],
    ends: Mapping[tuple[str, str], str],
) -> Duel:
    one, other = answer_id(ours), answer_id(base)
    if one == other:
        return Duel(ours, base, EQUAL, [])
    end = ends[min(one, other), max(one, other)]
    places = [replies[order] for order in ((one, other), (other, one))]
    return Duel(ours, base, {one: "win", other: "loss"}.get(end, end), [p for p in places if p in PLACES])


def counted(found: Iterable[Duel]) -> list[Duel]:
    """Return the duels whose end is known."""
    return [duel for duel in found if duel.end != UNPARSED]
