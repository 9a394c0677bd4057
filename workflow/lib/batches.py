"""Batch files of an OpenAI-compatible API: written, submitted, waited for and collected, across kills.

A batch carries the digest of its input as metadata and its id is journaled, so that a killed job finds what
it submitted and never pays twice. Lines come back in any order and are joined by ``custom_id``.
"""

import hashlib
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai

from workflow.lib.endpoint import (
    FIRST_WAIT,
    LONGEST_WAIT,
    ApiTeacher,
    Refusal,
    Request,
    UnreadableError,
    read_completion,
    refusal_of,
    unanswerable,
)
from workflow.lib.errors import DependencyError, IntegrityError, PlumblineError, shorten
from workflow.lib.files import write_bytes
from workflow.lib.journal import Journal, mend, merge

POLL_EVERY = 30.0  # seconds
MOST_REQUESTS, MOST_BYTES = 50_000, 190_000_000  # of one batch: the API takes 200 MB
LABEL = "plumbline"  # key of the metadata that holds the digest of a batch's input
ENDED = {"completed", "failed", "expired", "cancelled"}
WASTED = {"failed", "expired", "cancelled", "cancelling"}  # not worth waiting for
COLLECTED = "/collected"  # after a batch's id in the journal


def line_of(request: Request, teacher: ApiTeacher) -> bytes:
    """Return the line of a batch's input for one request."""
    line = {
        "custom_id": request.request_id,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": request.body(teacher),
    }
    return json.dumps(line, sort_keys=True).encode() + b"\n"


def inputs_of(requests: Sequence[Request], teacher: ApiTeacher) -> Iterator[bytes]:
    """Yield the inputs of as many batches as ``requests`` need."""
    lines: list[bytes] = []
    size = 0
    for line in (line_of(request, teacher) for request in requests):
        if lines and (len(lines) == MOST_REQUESTS or size + len(line) > MOST_BYTES):
            yield b"".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield b"".join(lines)


def requests_in(content: bytes) -> dict[str, Request]:
    """Return the requests of a batch's input by id."""
    lines = [json.loads(line) for line in content.splitlines()]
    found = (
        Request(line["custom_id"], line["body"]["messages"][0]["content"], line["body"]["seed"])
        for line in lines
    )
    return {request.request_id: request for request in found}


def lines_in(content: bytes, asked: Mapping[str, Request], batch: str) -> dict[str, dict[str, Any]]:
    """Return the lines of a batch's output by ``custom_id``, whatever their order.

    Raises:
        IntegrityError: A line is not JSON, or is for a request that was not asked or has an answer already.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, text in enumerate(content.split(b"\n"), start=1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
            key = line["custom_id"]
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"batch {batch}: line {number}: expected JSON with a custom_id, found {shorten(text)}. "
                "Fix: run again; if it stays, the server's file is damaged."
            ) from error
        if key not in asked or key in found:
            wrong = "is answered twice" if key in found else "was not asked in it"
            raise IntegrityError(f"batch {batch}: line {number}: custom_id '{key}' {wrong}. Fix: report it.")
        found[key] = line
    return found


def read_line(line: Mapping[str, Any]) -> dict[str, Any] | Refusal:
    """Return the journal's fields of one line of output, or what was said in place of an answer."""
    response, error = line.get("response"), line.get("error") or {}
    if not response:
        return Refusal(503, str(error.get("code")), str(error.get("message")))  # of the batch: asked again
    body = response["body"]
    if response["status_code"] == 200:
        try:
            return read_completion(body)
        except UnreadableError as error:
            return Refusal(503, "unreadable", str(error))
    said = body["error"] if isinstance(body, dict) and isinstance(body.get("error"), dict) else {}
    refusal = Refusal(response["status_code"], str(said.get("code") or ""), str(said.get("message") or body))
    end = refusal.finish_reason()
    return refusal if end is None else unanswerable(end)


class Desk:
    """Submits and collects the batches of one job."""

    def __init__(
        self, client: openai.OpenAI, teacher: ApiTeacher, name: str, journal: Journal, book: Journal
    ) -> None:
        """Read what earlier attempts submitted; ``book`` gets what this one does."""
        self._client, self._teacher, self._name = client, teacher, name
        self._journal, self._book = journal, book
        self._folder = book.path.parent
        records = merge([self._folder]).records
        self._known = {key for key in records if not key.endswith(COLLECTED)}
        self.open = [records[key] for key in sorted(self._known) if key + COLLECTED not in records]
        self.answered: set[str] = set()

    def submit(self, content: bytes, attempt: int) -> None:
        """Submit one batch, or take over the one of this input that a killed job left without a note."""
        digest = hashlib.sha256(content).hexdigest()
        write_bytes(self._input(digest), content)
        for trial in range(1, self._teacher.max_attempts + 1):
            batch = self._orphan(digest)
            try:
                batch = batch or self._create(content, digest)
            except (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError) as error:
                if trial == self._teacher.max_attempts or not _passes(error):
                    raise
                time.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2 ** (trial - 1)) * (0.5 + 0.5 * random.random()))
                continue
            break
        record = {"id": batch, "input": digest, "attempts": attempt}
        self._book.append(record)
        self._known.add(str(batch))
        self.open.append(record)
        print(f"batch {batch}: {len(content.splitlines())} requests submitted", flush=True)

    def _input(self, digest: str) -> Path:
        return self._folder / f"input-{digest}.jsonl"

    def _orphan(self, digest: str) -> str | None:
        """Return the id of a batch with this input that no journal knows, if the server has one."""
        for batch in self._client.batches.list(limit=100).data:
            label = (batch.metadata or {}).get(LABEL)
            if label == digest and batch.id not in self._known and batch.status not in WASTED:
                return str(batch.id)
        return None

    def _create(self, content: bytes, digest: str) -> str:
        file = self._client.files.create(file=("requests.jsonl", content), purpose="batch")
        batch = self._client.with_options(max_retries=0).batches.create(  # a lost answer is not a lost batch
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={LABEL: digest},
        )
        return str(batch.id)

    def collect(self) -> None:
        """Wait for every open batch and journal its answers."""
        while self.open:
            record = self.open[0]
            batch = self._wait(record["id"])
            stop = self._journal_answers(batch, record)
            self._book.append({"id": record["id"] + COLLECTED})
            self.open.pop(0)
            if stop:
                raise stop

    def _wait(self, key: str) -> Any:
        shown = None
        while True:
            batch = self._client.batches.retrieve(key)
            if batch.status != shown:
                shown = batch.status
                print(f"batch {key}: {shown}", flush=True)
            if shown in ENDED:
                return batch
            time.sleep(POLL_EVERY)

    def _journal_answers(self, batch: Any, record: Mapping[str, Any]) -> PlumblineError | None:
        """Journal what a batch answered, and return why nothing more should be asked, if so."""
        asked = requests_in(self._input(record["input"]).read_bytes())
        files = [file for file in (batch.output_file_id, batch.error_file_id) if file]
        content = b"\n".join(self._client.files.content(file).content for file in files)
        stop: PlumblineError | None = None
        if batch.status == "failed":
            said = "; ".join(str(e.message) for e in (batch.errors.data if batch.errors else None) or [])
            stop = DependencyError(
                f"teacher '{self._name}': batch {batch.id} failed: {shorten(said, 300)}. "
                "Fix: mend what it says, run again."
            )
        answered = 0
        for key, line in lines_in(content, asked, batch.id).items():
            reply = read_line(line)
            if isinstance(reply, Refusal):
                stop = stop if reply.passes() else reply.stop(self._name, self._teacher)
                continue
            answered += 1
            self._journal.append({"id": asked[key].key(), "attempts": record["attempts"], **reply})
            self.answered.add(asked[key].key())
        print(f"batch {batch.id}: {answered} of {len(asked)} requests answered", flush=True)
        return stop


def _passes(error: openai.APIError) -> bool:
    return not isinstance(error, openai.APIStatusError) or refusal_of(error).passes()


@contextmanager
def _told(name: str, teacher: ApiTeacher) -> Iterator[None]:
    """Turn what the client says into one line for a person."""
    try:
        yield
    except openai.APIStatusError as error:
        raise refusal_of(error).stop(name, teacher) from error
    except openai.APIConnectionError as error:
        raise DependencyError(
            f"teacher '{name}': cannot reach {teacher.endpoint}. "
            "Fix: run again where the network is: it goes on."
        ) from error


def ask_in_batches(requests: Sequence[Request], teacher: ApiTeacher, name: str, journal: Journal) -> None:
    """Ask ``requests`` in batch files and journal what is answered; what is missing is submitted again."""
    folder = journal.path.parent / "batches"
    mend(folder)
    with (
        openai.OpenAI(
            api_key=teacher.key(name),
            base_url=teacher.endpoint,
            max_retries=teacher.max_attempts - 1,
            timeout=teacher.timeout_s,
        ) as client,
        Journal(folder) as book,
        _told(name, teacher),
    ):
        desk = Desk(client, teacher, name, journal, book)
        desk.collect()
        for attempt in range(1, teacher.max_attempts + 1):
            missing = [request for request in requests if request.key() not in desk.answered]
            for content in inputs_of(missing, teacher):
                desk.submit(content, attempt)
            desk.collect()
