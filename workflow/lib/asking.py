"""What teachers are asked and what comes back: questions, shards, seeds and rows, whoever answers.

A problem's shard and seed depend on its id only, so a problem is asked the same whatever else is asked.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from workflow.lib.errors import DataError, IntegrityError, problem
from workflow.lib.examples import Example, Examples, ExampleSettings
from workflow.lib.files import read_json
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Problem, Rationale, load
from workflow.lib.sights import TEACHER

SEEDS = 1 << 31  # seeds are below this: it is what every generator takes whole
TOO_LONG = "prompt_too_long"  # finish reason of a question that was not asked


class Sampling(Protocol):
    """The part of a teacher's settings that decides how often and by which seed a problem is asked."""

    @property
    def samples(self) -> int: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class Question:
    """A problem put into words by a prompt file."""

    problem_id: str
    split: str
    text: str  # of the user turn


@dataclass(frozen=True)
class Answer:
    """What came back for one sample of one question."""

    text: str
    logprob: float | None  # sum over the sampled tokens under the untempered model, nats; None: untold
    tokens: int  # sampled, the end-of-turn token included
    prompt_tokens: int
    finish_reason: str


def slice_of(problems: list[Problem], size: int) -> list[Problem]:
    """Return the first ``size`` problems by id: ids are hashes, so this is a fixed random slice."""
    return sorted(problems, key=lambda problem: problem.problem_id)[:size]


def questions(problems: Iterable[Problem], split: str, prompt: PromptFile) -> list[Question]:
    """Return ``problems`` of one split in the words of ``prompt``."""
    return [Question(p.problem_id, split, prompt.render(p)) for p in problems]


def shard_of(problem_id: str, shards: int) -> int:
    """Return the shard, 0 … ``shards`` - 1, that a problem belongs to, whatever other problems there are."""
    return _number("shard", problem_id) % shards


def request_seed(problem_id: str, teacher: Sampling) -> int:
    """Return the seed of a problem's first sample; sample ``i`` has this seed plus ``i``.

    Seeds of different problems are at least ``teacher.samples`` apart, or equal by coincidence.
    """
    number = _number("seed", str(teacher.seed), problem_id)
    return number % (SEEDS // teacher.samples) * teacher.samples


def teacher_prompt(
    path: str, train: str, examples: Mapping[str, Any], may_see: Sequence[str] = TEACHER
) -> PromptFile:
    """Return the prompt file at ``path`` as a teacher sees it: with solved examples from train.

    Args:
        path: The prompt file.
        train: Parquet file of the train split, read when a prompt shows examples.
        examples: The section ``prompts.examples`` of the config.
        may_see: Names that the teacher may be shown.
    """
    settings = ExampleSettings(**examples)

    @cache
    def pool() -> Examples:
        return Examples(load(train, Problem), settings)

    def solved(asked: Problem) -> list[Example]:
        return pool().of(asked)

    return PromptFile(path, may_see, solved)


def chosen_prompt(
    choice: str | Sequence[str], prompts: Sequence[str], name: str, *, train: str, examples: Mapping[str, Any]
) -> PromptFile | None:
    """Return the prompt that the file ``choice`` gives to the teacher ``name``; ``None`` if it is dropped.

    Without such a file there was no tournament, and ``prompts`` are one.
    """
    if not choice:
        (only,) = prompts
        return teacher_prompt(only, train, examples)
    file = str(choice)
    entry = read_json(file)["choices"][name]
    if not entry["kept"]:
        return None
    files = {Path(path).stem: path for path in prompts}
    if entry["prompt"] not in files:
        raise DataError(
            problem(
                file,
                f"choices.{name}.prompt",
                expected=f"one of {sorted(files)}",
                found=entry["prompt"],
                fix="correct prompts.pinned or prompts.candidates in the config",
            )
        )
    return teacher_prompt(files[entry["prompt"]], train, examples)


def asked_of(train: str, dev: str, prompt: PromptFile, shard: int, shards: int) -> list[Question]:
    """Return the questions of one shard from both splits, in the words of ``prompt``."""
    asked = [
        *questions(load(train, Problem), "train", prompt),
        *questions(load(dev, Problem), "dev", prompt),
    ]
    mine = [question for question in asked if shard_of(question.problem_id, shards) == shard]
    print(f"shard {shard} of {shards}: {len(mine)} of {len(asked)} problems")
    return mine


def rationales(
    asked: Sequence[Question],
    answers: Sequence[Sequence[Answer]],
    *,
    name: str,
    prompt: str,
    teacher: Sampling,
) -> list[Rationale]:
    """Return one row per sample, ordered by problem and index.

    Args:
        asked: The questions.
        answers: Their answers, in the same order.
        name: Name of the teacher in the config.
        prompt: Name of the prompt file.
        teacher: Settings of the teacher.

    Raises:
        IntegrityError: A question does not have exactly ``teacher.samples`` answers, or occurs twice.
    """
    short = [q.problem_id for q, a in zip(asked, answers, strict=True) if len(a) != teacher.samples]
    twice = len(asked) - len({q.problem_id for q in asked})
    if short or twice:
        raise IntegrityError(
            f"teacher '{name}': {len(short)} problems without {teacher.samples} samples {short[:3]}, "
            f"{twice} asked twice. Fix: run again; if it stays, report it."
        )
    rows = []
    for question, samples in zip(asked, answers, strict=True):
        seed = request_seed(question.problem_id, teacher)
        for index, answer in enumerate(samples):
            rows.append(
                Rationale(
                    rationale_id=f"{question.problem_id}/{name}/{prompt}/{index}",
                    problem_id=question.problem_id,
                    split=question.split,
                    teacher=name,
                    prompt=prompt,
                    index=index,
                    seed=seed + index,
                    text=answer.text,
                    logprob=answer.logprob,
                    tokens=answer.tokens,
                    prompt_tokens=answer.prompt_tokens,
                    finish_reason=answer.finish_reason,
                )
            )
    return sorted(rows, key=lambda row: (row.problem_id, row.index))


def tell(rows: Sequence[Rationale], *, name: str, prompt: str, problems: int) -> None:
    """Print how many problems were asked, how many samples came back, and how those ended."""
    ends = Counter(row.finish_reason for row in rows)
    counts = ", ".join(f"{number} {end}" for end, number in sorted(ends.items()))
    print(f"{name}, prompt {prompt}: {problems} problems asked, {len(rows)} samples: {counts or 'none'}")


def _number(*parts: str) -> int:
    return int(hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16], 16)
