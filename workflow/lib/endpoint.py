"""Answers of a model behind an OpenAI-compatible API: paced, retried, journaled one by one.

What a server says is told apart once, here: an answer, a request that it will never answer (a row of its own,
never an answer), trouble that passes (the request waits and is sent again), and trouble that stays (the job
stops at once). Whatever was answered before is in the journal.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import openai

from workflow.lib.asking import TOO_LONG
from workflow.lib.chat import messages
from workflow.lib.errors import DataError, DependencyError, PlumblineError, shorten
from workflow.lib.files import digest_of
from workflow.lib.journal import Journal
from workflow.lib.logs import redact

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds before the second attempt, and before any where none is told
PROGRESS_EVERY = 10.0  # seconds between lines of progress in the log
BYTES_PER_TOKEN = 3  # to reserve a prompt's share of the tokens per minute: English has four
NO_ACCESS = {401, 403}
UNKNOWN = {404}
NO_CREDIT = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
PASSING = {408, 409, 425, 429}  # and all from 500
NEVER_ANSWERED = {
    "context_length_exceeded": TOO_LONG,
    "content_filter": "content_filter",  # of the prompt, on Azure
    "content_policy_violation": "content_filter",
}


@dataclass(frozen=True)
class ApiTeacher:
    """How a teacher behind an API is asked; the keys of such a teacher in the config."""

    kind: Literal["api"]
    endpoint: str
    model: str
    api_key_env: str | None
    samples: int
    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    concurrency: int
    requests_per_minute: float
    tokens_per_minute: float
    timeout_s: float
    stall_s: float
    max_attempts: int
    usd_per_million_input: float
    usd_per_million_output: float
    batch: bool

    def key(self, name: str) -> str:
        """Return the key of the endpoint; ``name`` is the teacher's, for the message."""
        if self.api_key_env is None:
            return "none"  # the client wants one
        found = os.environ.get(self.api_key_env, "").strip()
        if not found:
            raise DependencyError(
                f"teacher '{name}': the variable {self.api_key_env} holds no key. "
                f"Fix: export {self.api_key_env}=<your key> and run again."
            )
        return found


@dataclass(frozen=True)
class Request:
    """One sample to ask for."""

    request_id: str  # that of the rationale
    text: str  # of the user turn
    seed: int

    def key(self) -> str:
        """Return the id in the journal: another text of the same problem is another request."""
        return f"{self.request_id}#{digest_of(self.text)[:12]}"

    def body(self, teacher: ApiTeacher) -> dict[str, Any]:
        """Return what is sent."""
        return {
            "model": teacher.model,
            "messages": messages(self.text),
            "temperature": teacher.temperature,
            "top_p": teacher.top_p,
            "max_tokens": teacher.max_tokens,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Refusal:
    """What a server said in place of an answer."""

    status: int
    code: str
    message: str

    def __str__(self) -> str:
        """Return it as messages quote it, without anything like a key."""
        return f"HTTP {self.status}: {shorten(redact(self.message, os.environ), 300)}"

    def finish_reason(self) -> str | None:
        """Return how the row of a request ends that will never be answered, ``None`` for any other."""
        if self.status < 500 and "maximum context length" in self.message:  # vLLM gives no code
            return TOO_LONG
        return NEVER_ANSWERED.get(self.code)

    def passes(self) -> bool:
        """Return whether the same request may be answered later."""
        return (self.status in PASSING or self.status >= 500) and self.code not in NO_CREDIT

    def stop(self, name: str, teacher: ApiTeacher) -> PlumblineError:
        """Return the error that stops the job."""
        said = f"teacher '{name}': {teacher.endpoint} answers {self}. Fix: "
        key = teacher.api_key_env
        if self.passes():
            return DependencyError(f"{said}run again later: it goes on.")
        if self.status in NO_ACCESS and key is None:
            return DependencyError(
                f"{said}name the variable that holds a key in teachers.{name}.api_key_env."
            )
        if self.status in NO_ACCESS:
            return DependencyError(f"{said}export {key}=<a key that may use '{teacher.model}'>, run again.")
        if self.status in UNKNOWN:
            return DependencyError(
                f"{said}correct model ('{teacher.model}') or endpoint of teachers.{name}, or export {key}=<a "
                "key that may use it>."
            )
        if self.code in NO_CREDIT or self.status == 402:
            return DependencyError(f"{said}add credit to the account of {key}, run again: it goes on.")
        return DataError(f"{said}correct the settings of teachers.{name}.")


class UnreadableError(ValueError):
    """An answer of the server that is not a chat completion."""


def refusal_of(error: openai.APIStatusError) -> Refusal:
    """Return what the server said in an error of the client."""
    said = (
        error.body["message"] if isinstance(error.body, dict) and "message" in error.body else error.message
    )
    return Refusal(error.status_code, str(error.code or error.type or ""), str(said))


def read_completion(body: Any) -> dict[str, Any]:
    """Return the journal's fields of a chat completion, as JSON has it.

    A model that thinks aloud in a field of its own gets its thought back into the text. What ended with
    ``stop`` but says nothing gets a finish reason of its own: refusal, only_reasoning or no_content.
    """
    try:
        choice = body["choices"][0]
        message = choice["message"]
        content, told = message.get("content"), message.get("refusal")
        thought = message.get("reasoning_content") or message.get("reasoning")
        usage = body.get("usage") or {}
        counts = [usage.get("prompt_tokens"), usage.get("completion_tokens")]
        text = _joined(thought, content if content is not None else told)
        end = choice["finish_reason"] or "unfinished"
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise UnreadableError(f"not a chat completion: {shorten(body)}") from error
    if end == "stop" and (content is None or not content.strip()):
        nothing = "no_content" if content is None else "stop"
        end = "refusal" if told else "only_reasoning" if thought else nothing
    text, replaced = without_surrogates(text)
    known = all(isinstance(count, int) for count in counts)
    prompt_tokens, tokens = counts if known else (0, 0)
    return {
        **{"text": text, "finish_reason": str(end), "replaced": replaced, "usage": known},
        **{"prompt_tokens": prompt_tokens, "tokens": tokens, "model": str(body.get("model") or "")},
    }


def unanswerable(end: str) -> dict[str, Any]:
    """Return the journal's fields of a request that the server will never answer."""
    return {
        **{"text": "", "finish_reason": end, "replaced": 0, "usage": True},
        **{"prompt_tokens": 0, "tokens": 0, "model": ""},
    }


def _joined(thought: str | None, content: str | None) -> str:
    """Return thought and answer in the form that ``workflow.lib.traces`` reads."""
    if not thought:
        return content or ""
    return f"<think>\n{thought}\n</think>\n\n{content}" if content else f"<think>\n{thought}"


def without_surrogates(text: str) -> tuple[str, int]:
    """Return ``text`` with U+FFFD for each lone surrogate, which no file takes, and how many there were."""
    clean = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return clean, clean.count("\ufffd") - text.count("\ufffd")


def told_wait(headers: Mapping[str, str]) -> float:
    """Return the seconds that a server asks to wait, 0 where it does not (RFC 9110, section 10.2.3)."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        return max(0.0, float(headers.get("retry-after") or 0))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(headers["retry-after"]) - datetime.now(UTC)).total_seconds())
    except (KeyError, TypeError, ValueError):
        return 0.0


class Pace:
    """Spaces starts so that no minute has more than ``per_minute`` of something."""

    def __init__(self, per_minute: float) -> None:
        """Allow the first start at once."""
        self._each = 60.0 / per_minute
        self._next = 0.0

    def reserve(self, amount: float, now: float) -> float:
        """Return the time at which ``amount`` may start, and keep its share."""
        start = max(now, self._next)
        self._next = start + amount * self._each
        return start

    def correct(self, surplus: float) -> None:
        """Give back what was reserved and not used; a negative surplus takes more."""
        self._next -= surplus * self._each


class Asker:
    """Asks requests, several at a time, and journals each answer as it comes."""

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        teacher: ApiTeacher,
        name: str,
        journal: Journal,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Set up the pace; nothing is sent yet."""
        self._client, self._teacher, self._name, self._journal = client, teacher, name, journal
        self._jitter = jitter
        self._requests, self._tokens = Pace(teacher.requests_per_minute), Pace(teacher.tokens_per_minute)
        self._gap = 60.0 / teacher.requests_per_minute  # seconds between two starts that the pace asks for
        self._resume_at = 0.0  # before this nothing is sent: the server asked for it
        self._heard = time.monotonic()
        self._answered = 0
        self._stop: PlumblineError | None = None  # trouble that stays
        self.troubles: Counter[str] = Counter()

    async def ask(self, requests: Sequence[Request]) -> None:
        """Ask ``requests``; one that gets no answer in all its attempts is left out.

        Trouble that stays ends the job after what is under way: it is paid for, so it is journaled too.
        """
        waiting = iter(requests)
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._watch(len(requests)))
                work = [group.create_task(self._work(waiting)) for _ in range(self._teacher.concurrency)]
                await asyncio.wait(work)
                watch.cancel()
            if self._stop:
                raise self._stop
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            print(f"{self._answered} of {len(requests)} requests answered; {self._told_troubles()}")

    async def _work(self, waiting: Iterator[Request]) -> None:
        for request in waiting:  # shared by all workers
            try:
                await self._one(request)
            except PlumblineError as error:
                self._stop = self._stop or error
            if self._stop:
                return

    async def _one(self, request: Request) -> None:
        """Ask one request until it is answered, or as often as it may be."""
        for attempt in range(1, self._teacher.max_attempts + 1):
            surplus, told = await self._turn(request), 0.0
            if self._stop:
                return
            try:
                reply = read_completion(await self._send(request))
            except openai.APIStatusError as error:
                refusal = refusal_of(error)
                end = refusal.finish_reason()
                if end is None and not refusal.passes():
                    raise refusal.stop(self._name, self._teacher) from error
                told = told_wait(error.response.headers)
                trouble, reply = f"HTTP {refusal.status}", unanswerable(end) if end else {}
            except (openai.APIConnectionError, TimeoutError) as error:
                late = isinstance(error, TimeoutError | openai.APITimeoutError)
                trouble, reply = "time-out" if late else "connection lost", {}
            except ValueError:  # half of a JSON value, or another one than asked for
                trouble, reply = "unreadable answer", {}
            if reply:
                self._tokens.correct(surplus - reply["prompt_tokens"] - reply["tokens"])
                self._journal.append({"id": request.key(), "attempts": attempt, **reply})
                self._heard, self._answered = time.monotonic(), self._answered + 1
                return
            self.troubles[trouble] += 1
            if attempt < self._teacher.max_attempts:
                await self._pause(attempt, told)

    async def _send(self, request: Request) -> Any:
        async with asyncio.timeout(self._teacher.timeout_s):  # the client's is for each piece of an answer
            raw = await self._client.chat.completions.with_raw_response.create(**request.body(self._teacher))
            return raw.http_response.json()

    async def _turn(self, request: Request) -> float:
        """Wait until the limits allow ``request``, and return the tokens that were reserved for it."""
        tokens = len(request.text.encode()) / BYTES_PER_TOKEN + self._teacher.max_tokens
        now = time.monotonic()
        start = max(self._requests.reserve(1, now), self._tokens.reserve(tokens, now))
        self._gap = max(self._gap, tokens * 60.0 / self._teacher.tokens_per_minute)
        await asyncio.sleep(start - now)
        while (left := self._resume_at - time.monotonic()) > 0:
            await asyncio.sleep(left)
        return tokens

    async def _pause(self, attempt: int, told: float) -> None:
        """Wait as long as the server told, everyone, or else twice as long as the last time, with jitter."""
        if told > self._teacher.stall_s:
            raise DependencyError(
                f"teacher '{self._name}': the server asks to wait {told:.0f} s. Expected at most stall_s "
                f"({self._teacher.stall_s:g} s). Fix: run again later: it goes on."
            )
        self._resume_at = max(self._resume_at, time.monotonic() + told if told else 0.0)
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1))
        await asyncio.sleep(told or longest * (0.5 + 0.5 * self._jitter()))

    async def _watch(self, total: int) -> None:
        """Tell the progress, and stop a job that gets no answer any more."""
        stall, shown = self._teacher.stall_s, time.monotonic()
        while True:
            await asyncio.sleep(min(1.0, stall / 10))
            now = time.monotonic()
            silent = now - max(self._heard, self._resume_at)
            if silent > stall + self._gap:
                raise DependencyError(
                    f"teacher '{self._name}': no answer for {silent:.0f} s ({self._told_troubles()}); the "
                    f"server {self._teacher.endpoint} may be alive without its engine. Fix: look at it, run "
                    f"again: {self._answered} of {total} answers of this attempt are kept."
                )
            if now - shown > PROGRESS_EVERY:
                shown = now
                print(f"{self._answered} of {total} requests answered; {self._told_troubles()}", flush=True)

    def _told_troubles(self) -> str:
        told = ", ".join(f"{number} {trouble}" for trouble, number in sorted(self.troubles.items()))
        return f"sent again for {told or 'no reason'}"


def ask_online(requests: Sequence[Request], teacher: ApiTeacher, name: str, journal: Journal) -> None:
    """Ask ``requests`` one by one and journal what is answered."""

    async def ask() -> None:
        async with openai.AsyncOpenAI(
            api_key=teacher.key(name), base_url=teacher.endpoint, max_retries=0, timeout=teacher.timeout_s
        ) as client:
            await Asker(client, teacher, name, journal).ask(requests)

    asyncio.run(ask())
