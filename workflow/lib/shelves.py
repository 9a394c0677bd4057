"""The answers of every policy to every held-out problem, packed for a reader to search.

The packed file is gzipped JSON Lines. Its first line says of each (dataset, model, task), a shelf, which
problems there are and which answers to them are right: that is always whole, one character an answer.
Every other line has the texts of one problem at one seed and repeat, as many lines as there is room for.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from workflow.lib.errors import IntegrityError, problem
from workflow.lib.overlaps import Seen
from workflow.lib.records import Sample
from workflow.lib.samples import Key, grouped, key_of
from workflow.lib.wording import clip, count, visible

ANSWER = ("method", "seed", "repeat", "problem_id")
LEVEL = 6  # of the compression
PENDING = 1 << 17  # bytes that the compressor may still hold back
GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Shelf:
    """All answers to one task: one of every method to each problem at each seed and repeat."""

    place: dict[str, str]  # dataset, model and task
    methods: list[str]
    turns: list[tuple[int, int]]  # seed and repeat
    problems: list[Sample]  # one answer to each, for what it says of the problem
    answers: dict[Key, Sample]

    def of(self, number: int, turn: tuple[int, int]) -> list[Sample]:
        """Return the answers of all methods to a problem at one seed and repeat."""
        return [self.answers[method, *turn, self.problems[number].problem_id] for method in self.methods]


@dataclass(frozen=True)
class PackedView:
    """A packed file as it stands on the page."""

    data: str  # base64
    texts: str  # rounds of answers (all methods to one problem at one seed and repeat) with their texts
    of: str  # all rounds


def shelves_of(samples: Sequence[Sample], order: Sequence[str]) -> list[Shelf]:
    """Return the shelves of ``samples`` in order of appearance, methods in the given ``order``.

    Raises:
        IntegrityError: A method has no answer, or two, to a problem that another one has answered.
    """
    return [shelf(some, order) for some in grouped(samples, "dataset", "model", "task").values()]


def shelf(samples: Sequence[Sample], order: Sequence[str]) -> Shelf:
    """Return the shelf of the ``samples`` of one task."""
    answers = {key_of(sample, ANSWER): sample for sample in samples}
    there = {sample.method for sample in samples}
    problems = {sample.problem_id: sample for sample in samples}
    turns = sorted({(sample.seed, sample.repeat) for sample in samples})
    expected = len(there) * len(turns) * len(problems)
    if not len(answers) == len(samples) == expected:
        raise IntegrityError(
            problem(
                f"samples of {samples[0].task}",
                ", ".join(ANSWER),
                expected=f"one answer of each method to each problem, seed and repeat: {expected}",
                found=f"{len(samples)} rows, {len(answers)} different",
                fix="evaluate the methods again on the same task",
            )
        )
    return Shelf(
        place={name: str(getattr(samples[0], name)) for name in ("dataset", "model", "task")},
        methods=[method for method in order if method in there],
        turns=turns,
        problems=[problems[name] for name in sorted(problems)],
        answers=answers,
    )


def index_line(shelves: Sequence[Shelf], labels: Mapping[str, str], seen: Seen) -> str:
    """Return the first line: every problem and every outcome, and what the methods are called."""
    return json.dumps({"labels": dict(labels), "shelves": [index_of(one, seen) for one in shelves]})


def index_of(one: Shelf, seen: Seen) -> dict[str, Any]:
    """Return the problems of a shelf, which training has seen, and which answers to them are right."""
    categories, rules = (sorted({getattr(p, name) for p in one.problems}) for name in ("category", "rule"))
    problems = [
        [p.problem_id, categories.index(p.category), rules.index(p.rule), p.answer and visible(p.answer)]
        for p in one.problems
    ]
    right = {
        method: [
            "".join(outcome(one.answers[method, *t, p.problem_id]) for p in one.problems) for t in one.turns
        ]
        for method in one.methods
    }
    known = {"methods": one.methods, "turns": one.turns, "categories": categories, "rules": rules}
    known["seen"] = "".join(str(int(seen[p.dataset, p.problem_id])) for p in one.problems)
    return one.place | known | {"problems": problems, "right": right}


def outcome(answer: Sample) -> str:
    """Return ``1`` for an answer that is right and ``0`` for any other."""
    return "1" if answer.score == 1.0 else "0"


def text_lines(shelves: Sequence[Shelf], generator: np.random.Generator) -> Iterator[str]:
    """Yield the texts of all problems in a random order: of their first seed and repeat, then of the others.

    A line holds the numbers of shelf, turn and problem, the prompt where the turn is the first, and of each
    method the answer, what was read in it, and its tokens.
    """
    for turn in range(max((len(one.turns) for one in shelves), default=0)):
        among = [(number, one) for number, one in enumerate(shelves) if turn < len(one.turns)]
        places = [(number, p) for number, one in among for p in range(len(one.problems))]
        for index in generator.permutation(len(places)):
            number, p = places[index]
            yield text_line(shelves[number], number, turn, p)


def text_line(one: Shelf, number: int, turn: int, p: int) -> str:
    """Return the line of problem ``p`` at one turn of the shelf with this ``number``."""
    answers = one.of(p, one.turns[turn])
    told = [[seen(a.text), None if a.parsed is None else seen(a.parsed), a.tokens] for a in answers]
    return json.dumps([number, turn, p, None if turn else seen(answers[0].prompt), told])


def seen(text: str) -> str:
    """Return ``text`` clipped, with its control characters made visible."""
    return visible(clip(text))


def pack(index: str, texts: Iterable[str], room: int) -> tuple[bytes, int]:
    """Return the lines compressed, and how many of ``texts`` there was room for.

    Args:
        index: First line, which is packed whatever its size.
        texts: The other lines, of which the first ones are packed.
        room: Bytes that the result shall not exceed.
    """
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    parts, size, taken = [], 0, -1
    for line in chain([index], texts):
        if taken >= 0 and size + len(line) > room - PENDING:
            break
        part = packer.compress(line.encode() + b"\n")
        parts.append(part)
        size += len(part)
        taken += 1
    return b"".join([*parts, packer.flush()]), taken


def packed_view(packed: bytes, cleaned: Callable[[str], str]) -> PackedView | None:
    """Return what the page needs of a packed file, whose text first goes through ``cleaned``.

    A file without any shelf is of a study without answers, and gives ``None``.
    """
    text = gzip.decompress(packed).decode()
    clean = cleaned(text)
    index, *texts = clean.splitlines()
    shelves = json.loads(index)["shelves"]
    if not shelves:
        return None
    return PackedView(
        data=base64.b64encode(packed if clean == text else gzip.compress(clean.encode(), mtime=0)).decode(),
        texts=count(str(len(texts))),
        of=count(str(sum(len(one["turns"]) * len(one["problems"]) for one in shelves))),
    )
