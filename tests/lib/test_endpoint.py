"""What a server says, told apart; the pace; and how long one waits."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fake_api import said
from workflow.lib import endpoint
from workflow.lib.asking import TOO_LONG
from workflow.lib.endpoint import (
    ApiTeacher,
    Asker,
    Pace,
    Refusal,
    Request,
    UnreadableError,
    read_completion,
    told_wait,
    without_surrogates,
)
from workflow.lib.errors import DataError, DependencyError
from workflow.lib.journal import Journal
from workflow.lib.traces import split_thought

TEACHER = ApiTeacher(
    kind="api",
    endpoint="http://127.0.0.1:9/v1",
    model="gpt-x",
    api_key_env="TEACHER_KEY",
    samples=2,
    temperature=0.7,
    top_p=0.9,
    max_tokens=50,
    seed=3,
    concurrency=4,
    requests_per_minute=6.0e6,
    tokens_per_minute=6.0e9,
    timeout_s=5.0,
    stall_s=20.0,
    max_attempts=4,
    usd_per_million_input=2.5,
    usd_per_million_output=10.0,
    batch=False,
)

ENDS = {
    "answered": (said("So: yes"), "stop", "So: yes"),
    "cut": (said("So", "length"), "length", "So"),
    "filtered": (said("The answer is yes.", "content_filter"), "content_filter", "The answer is yes."),
    "nothing": (said(None), "no_content", ""),
    "empty": (said(""), "stop", ""),  # as a local model may: the funnel counts it as empty
    "refused": (said(None, refusal="I cannot."), "refusal", "I cannot."),
    "only thought": (said(None, reasoning_content="Hm. The answer is yes."), "only_reasoning", None),
    "only thought, empty": (said(" ", reasoning="Hm."), "only_reasoning", None),
    "cut in thought": (said(None, "length", reasoning_content="Hm"), "length", None),
    "unfinished": (said("So", None), "unfinished", "So"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("body", "end", "text"), ENDS.values(), ids=ENDS)
def test_how_an_answer_ends(body: dict[str, Any], end: str, text: str | None) -> None:
    found = read_completion(body)
    assert found["finish_reason"] == end
    assert text is None or found["text"] == text
    assert (found["prompt_tokens"], found["tokens"], found["usage"]) == (3, 5, True)
    assert found["model"] == "served-model"


def test_a_thought_in_a_field_of_its_own_is_a_thought_in_the_text() -> None:
    found = split_thought(read_completion(said("The answer is no.", reasoning_content="Is it yes?"))["text"])
    assert (found.thought, found.completion, found.complete) == ("Is it yes?", "The answer is no.", True)
    cut = split_thought(read_completion(said(None, "length", reasoning_content="Is it"))["text"])
    assert (cut.thought, cut.completion, cut.complete) == ("Is it", "", False)


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": 3}, {"prompt_tokens": 3, "completion_tokens": None}]
)
def test_tokens_that_nobody_told_are_marked(usage: object) -> None:
    found = read_completion({**said("x"), "usage": usage})
    assert (found["prompt_tokens"], found["tokens"], found["usage"]) == (0, 0, False)


@pytest.mark.parametrize(
    "body",
    [
        *(None, "<html>", [], {}, {"choices": []}, {"choices": None}, {"error": {"message": "no"}}),
        {"choices": [{"message": None, "finish_reason": "stop"}]},
        {"choices": [{"message": {}}]},
    ],
)
def test_what_is_no_completion_is_told(body: object) -> None:
    with pytest.raises(UnreadableError, match="not a chat completion"):
        read_completion(body)


@pytest.mark.parametrize(
    ("text", "clean", "replaced"),
    [
        ("a\u2028\u0085\x00\u202e😀", "a\u2028\u0085\x00\u202e😀", 0),
        ("a\ud800b", "a\ufffdb", 1),
        ("\udc00\ud800", "\ufffd\ufffd", 2),
        ("\ud83d\ude00", "😀", 0),  # a pair in two halves is one character
        ("\ufffd\ud800", "\ufffd\ufffd", 1),  # one was there before
    ],
)
def test_lone_surrogates_are_replaced_and_counted(text: str, clean: str, replaced: int) -> None:
    assert without_surrogates(text) == (clean, replaced)
    clean.encode()


def test_how_long_a_server_asks_to_wait() -> None:
    assert told_wait({"retry-after": "7"}) == 7.0
    assert told_wait({"retry-after": "0.5"}) == 0.5
    assert told_wait({"retry-after-ms": "250", "retry-after": "7"}) == 0.25
    assert told_wait({}) == told_wait({"retry-after": "soon"}) == told_wait({"retry-after": "-3"}) == 0.0
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 28 <= told_wait({"retry-after": soon}) <= 30
    assert told_wait({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


def test_the_pace_spaces_starts_and_gives_back_what_was_not_used() -> None:
    pace = Pace(per_minute=120)  # half a second each
    assert [pace.reserve(1, now=10.0) for _ in range(3)] == [10.0, 10.5, 11.0]
    assert pace.reserve(4, now=20.0) == 20.0  # nothing is saved up while idle
    assert pace.reserve(1, now=20.0) == 22.0
    pace.correct(1)
    assert pace.reserve(1, now=20.0) == 22.0  # 22.5 without it


def test_requests_and_tokens_per_minute_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(endpoint.time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(endpoint.asyncio, "sleep", sleep)

    def turns(**changes: float) -> list[float]:
        waits.clear()
        with Journal(tmp_path) as journal:
            asker = Asker(None, ApiTeacher(**{**vars(TEACHER), **changes}), "t", journal)  # type: ignore[arg-type]
            for _ in range(3):
                asyncio.run(asker._turn(Request("r", "x" * 30, 1)))
        return list(waits)

    assert turns(requests_per_minute=30) == pytest.approx([0, 2, 4])
    # 30 bytes / 3 + 50 tokens = 60 of 1200 per minute: three seconds each
    assert turns(tokens_per_minute=1200) == pytest.approx([0, 3, 6])
    assert turns() == pytest.approx([0, 0, 0], abs=1e-3)


def test_waits_double_up_to_a_limit_with_jitter_and_are_those_that_were_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(endpoint.asyncio, "sleep", sleep)

    def pauses(jitter: float, told: float = 0.0) -> list[float]:
        waits.clear()
        with Journal(tmp_path) as journal:
            asker = Asker(None, TEACHER, "t", journal, jitter=lambda: jitter)  # type: ignore[arg-type]
            for attempt in range(1, 9):
                asyncio.run(asker._pause(attempt, told))
        return list(waits)

    assert pauses(1.0) == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pauses(0.0) == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert pauses(0.3, told=20.0) == [20.0] * 8
    with pytest.raises(DependencyError, match=r"asks to wait 21 s\. Expected at most stall_s \(20 s\)"):
        pauses(0.3, told=21.0)


@pytest.mark.parametrize(
    ("refusal", "end"),
    [
        (Refusal(400, "context_length_exceeded", ""), TOO_LONG),
        (Refusal(400, "400", "This model's maximum context length is 64 tokens"), TOO_LONG),  # vLLM
        (Refusal(400, "content_filter", ""), "content_filter"),
        (Refusal(400, "unsupported_parameter", ""), None),
        (Refusal(500, "", "maximum context length"), None),
    ],
)
def test_requests_that_will_never_be_answered(refusal: Refusal, end: str | None) -> None:
    assert refusal.finish_reason() == end


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
def test_trouble_that_passes(status: int) -> None:
    assert Refusal(status, "", "").passes()


@pytest.mark.parametrize(
    ("status", "code", "kind", "told"),
    [
        (401, "", DependencyError, r"HTTP 401: 'no'\. Fix: export TEACHER_KEY=<a key that may use 'gpt-x'>"),
        (403, "", DependencyError, r"HTTP 403: .*export TEACHER_KEY="),
        (404, "", DependencyError, r"correct model \('gpt-x'\) or endpoint of teachers\.t, .*TEACHER_KEY"),
        (402, "", DependencyError, r"add credit to the account of TEACHER_KEY"),
        (429, "insufficient_quota", DependencyError, r"add credit to the account of TEACHER_KEY"),
        (400, "", DataError, r"HTTP 400: .*correct the settings of teachers\.t\."),
    ],
)
def test_trouble_that_stays(status: int, code: str, kind: type[Exception], told: str) -> None:
    refusal = Refusal(status, code, "no")
    assert not refusal.passes()
    error = refusal.stop("t", TEACHER)
    assert type(error) is kind
    with pytest.raises(kind, match=told):
        raise error


def test_another_text_of_the_same_problem_is_another_request() -> None:
    one, two = Request("p/t/cot/0", "a", 1), Request("p/t/cot/0", "b", 1)
    assert one.key() != two.key()
    assert {r.key().split("#")[0] for r in (one, two)} == {"p/t/cot/0"}
    assert one.body(TEACHER) == {
        "model": "gpt-x",
        "messages": [{"role": "user", "content": "a"}],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 50,
        "seed": 1,
    }
