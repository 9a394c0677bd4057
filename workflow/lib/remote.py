"""Rationales of a teacher behind an API: what is journaled is never asked again, whatever happened before.

Answers lie in ``<work>/<fingerprint>/<dataset>/<job>/``. The fingerprint digests everything that changes
their meaning, so that a changed setting starts a new folder and never mixes with old answers; limits, prices
and the way of asking (one by one or in batch files) are no part of it. A job also takes what other jobs of
the same dataset asked before, as the tournament did for dev.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import compress
from operator import not_
from pathlib import Path
from typing import Any

from workflow.lib.asking import Answer, Question, rationales, request_seed, tell
from workflow.lib.batches import ask_in_batches
from workflow.lib.endpoint import ApiTeacher, Request, ask_online
from workflow.lib.errors import DependencyError
from workflow.lib.files import digest_of, write_json
from workflow.lib.journal import Journal, Merged, at_work, mend, merge
from workflow.lib.ledger import account
from workflow.lib.records import Rationale

MEANING = ("endpoint", "model", "samples", "temperature", "top_p", "max_tokens", "seed")
WAYS: dict[bool, Callable[[Sequence[Request], ApiTeacher, str, Journal], None]] = {
    False: ask_online,
    True: ask_in_batches,
}


@dataclass(frozen=True)
class Job:
    """Who asks: where its answers are kept, and under which name."""

    work: Path  # folder of all teachers' journals
    dataset: str
    name: str  # of the job, as shard-0; a folder

    def folder(self, name: str, teacher: ApiTeacher, prompt: Path) -> Path:
        """Return the folder of the journal, after noting in the one above what its fingerprint stands for."""
        settings = {key: value for key, value in asdict(teacher).items() if key in MEANING}
        meaning = {**settings, "teacher": name, "prompt": prompt.read_text(encoding="utf-8")}
        above = self.work / digest_of(meaning)[:16]
        write_json(above / "about.json", meaning)
        return above / self.dataset / self.name


def requests_for(asked: Sequence[Question], name: str, prompt: str, teacher: ApiTeacher) -> list[Request]:
    """Return one request per sample of each question, in the order of the questions."""
    return [
        Request(f"{q.problem_id}/{name}/{prompt}/{i}", q.text, request_seed(q.problem_id, teacher) + i)
        for q in asked
        for i in range(teacher.samples)
    ]


def ask(
    asked: Sequence[Question], *, name: str, prompt: Path, teacher: ApiTeacher, job: Job
) -> tuple[list[Rationale], dict[str, Any]]:
    """Return the samples of one teacher for ``asked`` and the ledger; only what is not journaled is asked.

    Args:
        asked: Problems in the words of ``prompt``.
        name: Name of the teacher in the config.
        prompt: The prompt file.
        teacher: Settings of the teacher.
        job: Where the journals are.

    Raises:
        DependencyError: A request has no answer; all that came is kept.
    """
    requests = requests_for(asked, name, prompt.stem, teacher)
    folder = job.folder(name, teacher, prompt)
    if others := at_work(folder):
        raise DependencyError(
            f"teacher '{name}': another attempt at this job is at work: it appends to {others[0]}. "
            "Fix: wait until it ends, or end it."
        )
    if torn := mend(folder):
        print(f"{torn} journals ended in a fragment: moved to *.torn")
    before = _journaled(folder)
    missing = [request for request in requests if request.key() not in before.records]
    print(
        f"{len(requests) - len(missing)} of {len(requests)} answers are in {folder} or beside it; "
        f"{before.conflicts} later answers differ and do not count",
        flush=True,
    )
    if missing:
        with Journal(folder) as journal:
            WAYS[teacher.batch](missing, teacher, name, journal)
    found = _journaled(folder)
    lost = [request.request_id for request in requests if request.key() not in found.records]
    if lost:
        raise DependencyError(
            f"teacher '{name}': {len(lost)} of {len(requests)} requests got no answer in "
            f"{teacher.max_attempts} attempts, as {lost[0]}. "
            "Fix: look at the server, run again: only these are asked."
        )
    records = [found.records[request.key()] for request in requests]
    mine = [found.folders[request.key()] == folder for request in requests]
    rows = rationales(
        asked,
        _grouped(map(_answer, records), teacher.samples),
        name=name,
        prompt=prompt.stem,
        teacher=teacher,
    )
    tell(rows, name=name, prompt=prompt.stem, problems=len(asked))
    return rows, account(compress(records, mine), compress(records, map(not_, mine)), teacher)


def _grouped(answers: Iterable[Answer], each: int) -> list[list[Answer]]:
    flat = list(answers)
    return [flat[start : start + each] for start in range(0, len(flat), each)]


def _journaled(folder: Path) -> Merged:
    """Return what this job and then what others of the dataset have journaled."""
    beside = (path for path in folder.parent.glob("*") if path.is_dir() and path != folder)
    return merge([folder, *sorted(beside)])


def _answer(record: Mapping[str, Any]) -> Answer:
    return Answer(
        text=record["text"],
        logprob=None,
        tokens=record["tokens"],
        prompt_tokens=record["prompt_tokens"],
        finish_reason=record["finish_reason"],
    )
