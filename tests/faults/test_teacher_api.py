"""A teacher behind an API that fails in every way: rows 20 to 28 of the table of faults, and kills.

Every fault is a real one, of a server on loopback: refusals, resets, silence, half answers, batch files.
"""

import itertools
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.api_teacher import KEY, arguments, finish, journaled, keys_of, requests, rows, start
from tests.fake_api import Asked, Body, FakeApi, Reaction, end_batch, failed, said, serving
from tests.lib.test_verification import PROBLEM
from workflow.lib import batches, endpoint
from workflow.lib.errors import DataError, DependencyError, IntegrityError
from workflow.lib.files import read_json, read_jsonl, write_json
from workflow.lib.parquet import rows_of, write_parquet
from workflow.lib.records import Rationale, table
from workflow.lib.verification import verdict_of
from workflow.scripts.ask_teacher import main


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """Return a served API; the test works in a folder of its own, with a key and short waits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEACHER_KEY", KEY)
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(endpoint, "LONGEST_WAIT", 0.05)
    monkeypatch.setattr(batches, "POLL_EVERY", 0.01)
    with serving(FakeApi()) as served:
        yield served


def told(given: dict[str, Any]) -> str:
    """Run the script and return what it printed."""
    said = StringIO()
    with redirect_stdout(said):
        main(**given)
    return said.getvalue()


def check_whole(given: dict[str, Any], api: FakeApi, problems: int) -> None:
    """Check that every request has exactly one row, with the text that the server gives it."""
    expected = {
        request.request_id: api.answer((request.text, request.seed))["choices"][0]["message"]["content"]
        for request in requests(given, problems)
    }
    found = rows()
    assert {row.rationale_id: row.text for row in found} == expected
    assert len(found) == len(expected) == 2 * problems
    assert {row.finish_reason for row in found} == {"stop"}


# --- row 20: trouble that passes ----------------------------------------------------------------------------


def test_row_20_passing_trouble_is_waited_out_and_counted(api: FakeApi) -> None:
    troubles = {
        0: failed(429),
        1: failed(500),
        2: Reaction("reset"),
        3: Reaction("hang"),
        4: Reaction("half"),
    }
    api.react = lambda asked, nth: troubles[nth] if nth < 5 and asked[0].startswith("Is 2 ") else None
    given = arguments(Path(), api, 4, timeout_s=0.5)
    log = told(given)
    check_whole(given, api, 4)
    assert Counter(text for text, _ in api.asked)["Is 2 odd? Think."] == 2 * (5 + 1)
    for trouble in ("2 HTTP 429", "2 HTTP 500", "2 connection lost", "2 time-out", "2 unreadable answer"):
        assert trouble in log
    ledger = read_json("shard-0.ledger.json")
    assert ledger["asked"] == {
        "requests": 8,
        "retries": 10,
        "input_tokens": 8 * 3,
        "output_tokens": 8 * 5,
        "usd": pytest.approx((24 * 2.5 + 40 * 10) / 1e6),
        "without_usage": 0,
    }


def test_row_20_an_answer_in_drops_is_a_time_out(api: FakeApi) -> None:
    api.react = lambda asked, nth: Reaction("trickle") if nth == 0 else None
    given = arguments(Path(), api, 2, timeout_s=0.5)
    assert "4 time-out" in told(given)
    check_whole(given, api, 2)


def test_tokens_that_were_reserved_and_not_used_are_given_back(api: FakeApi) -> None:
    # 16 bytes / 3 + 50 tokens are reserved, 3 + 5 are used: three seconds or 0.43 s of 1107 per minute
    given = arguments(Path(), api, 4, concurrency=1, tokens_per_minute=(16 / 3 + 50) * 20)
    main(**given)
    assert 0.9 * 3 * 7 * 8 / (16 / 3 + 50) <= api.times[-1] - api.times[0] < 20.0  # 21 seconds without


def test_row_20_everyone_waits_as_long_as_the_server_tells(api: FakeApi) -> None:
    # a worker that went on alone would have work for the whole second: eleven requests of 0.1 s
    api.react = lambda asked, nth: failed(429, Retry_After="1") if len(api.asked) == 1 else None
    api.pause = 0.1
    given = arguments(Path(), api, 6, concurrency=2)
    main(**given)
    check_whole(given, api, 6)
    gaps = [after - before for before, after in itertools.pairwise(api.times)]
    assert 0.9 <= max(gaps) < 30.0  # told in seconds, not in minutes, and nobody asks meanwhile


def test_row_20_a_request_that_fails_every_time_is_left_out_and_told(api: FakeApi) -> None:
    api.react = lambda asked, nth: failed(503) if asked[0].startswith("Is 2 ") else None
    given = arguments(Path(), api, 4, max_attempts=3)
    with pytest.raises(
        DependencyError, match=r"2 of 8 requests got no answer in 3 attempts, as p002/t/cot/0"
    ):
        main(**given)
    assert Counter(text for text, _ in api.asked)["Is 2 odd? Think."] == 2 * 3
    assert not Path("shard-0.jsonl").exists()
    api.react, before = lambda asked, nth: None, len(api.asked)
    main(**given)
    assert {text for text, _ in api.asked[before:]} == {"Is 2 odd? Think."}
    check_whole(given, api, 4)


def test_no_more_requests_are_under_way_than_told(api: FakeApi) -> None:
    api.pause = 0.02
    main(**arguments(Path(), api, 20, concurrency=3))
    assert api.most_at_once == 3


# --- row 21: no access --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reaction", "said"),
    [
        (failed(401, "invalid_api_key", f"Incorrect API key provided: {KEY}"), "export TEACHER_KEY=<a key"),
        (failed(403, "", "no"), "export TEACHER_KEY=<a key that may use 'gpt-x'>"),
        (failed(404, "model_not_found", "no such model"), "correct model ('gpt-x') or endpoint"),
    ],
    ids=["401", "403", "404"],
)
def test_row_21_without_access_the_job_stops_at_once(reaction: Reaction, said: str, api: FakeApi) -> None:
    api.react = lambda asked, nth: reaction
    given = arguments(Path(), api, 50)
    code, log = finish(Path("job"), given)
    last = log.strip().splitlines()[-1]
    assert code == 3 and last.startswith("ERROR ") and said in last and "TEACHER_KEY" in last
    assert len(api.asked) <= given["teacher"]["concurrency"]
    assert api.keys == {f"Bearer {KEY}"}
    texts = [path.read_text(errors="replace") for path in Path("job").rglob("*") if path.is_file()]
    assert len(texts) >= 3 and not [text for text in texts if KEY in text]


def test_row_21_without_a_key_nothing_is_asked(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    given = arguments(Path(), api, 2)
    for value in ("", "  "):
        monkeypatch.setenv("TEACHER_KEY", value)
        with pytest.raises(DependencyError, match=r"TEACHER_KEY holds no key\. Fix: export TEACHER_KEY="):
            main(**given)
    assert api.keys == set()
    monkeypatch.setenv("TEACHER_KEY", KEY)
    main(**given)
    monkeypatch.delenv("TEACHER_KEY")
    main(**given)  # everything is journaled: no key is needed
    assert len(api.asked) == 4


def test_a_local_server_needs_no_key(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEACHER_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)  # of somebody else
    main(**arguments(Path(), api, 2, api_key_env=None))
    assert api.keys == {"Bearer none"}


def test_settings_that_the_server_refuses_stop_the_job(api: FakeApi) -> None:
    api.react = lambda asked, nth: failed(400, "unsupported_parameter", "use max_completion_tokens")
    with pytest.raises(DataError, match=r"HTTP 400: 'use max_completion_tokens'.*settings of teachers\.t"):
        main(**arguments(Path(), api, 50))
    assert len(api.asked) <= 8


# --- row 22: the credit runs out ----------------------------------------------------------------------------


def test_row_22_when_the_credit_runs_out_what_was_answered_is_kept(api: FakeApi) -> None:
    no_credit = failed(429, "insufficient_quota", "You exceeded your current quota")
    api.react = lambda asked, nth: no_credit if api.answered.total() + api.under_way > 600 else None
    given = arguments(Path(), api, 500, concurrency=1)
    with pytest.raises(DependencyError, match="add credit to the account of TEACHER_KEY"):
        main(**given)
    assert (len(journaled()), len(api.asked)) == (600, 601)
    assert not Path("shard-0.jsonl").exists()
    api.react = lambda asked, nth: None
    main(**given)
    assert len(api.asked) == 601 + 400
    assert set(api.answered.values()) == {1}
    check_whole(given, api, 500)


def test_row_22_what_is_under_way_when_the_job_stops_is_kept(api: FakeApi) -> None:
    def react(asked: Asked, nth: int) -> Reaction | None:
        if len(api.asked) == 5:
            return failed(429, "insufficient_quota")
        time.sleep(0.001)
        return None

    api.react, api.pause = react, 0.05
    with pytest.raises(DependencyError, match="add credit"):
        main(**arguments(Path(), api, 50))
    assert len(journaled()) == api.answered.total() >= 4


# --- row 23: no answer, or half of one ----------------------------------------------------------------------

ENDS: dict[int, tuple[Body | Reaction, str, str]] = {
    0: (said("So it is. The answer is yes", "length"), "length", "truncated"),
    1: (said("The answer is yes.", "content_filter"), "content_filter", "unparsed"),
    2: (said(None), "no_content", "unparsed"),
    3: (said(None, reasoning_content="Hm. The answer is yes."), "only_reasoning", "unparsed"),
    4: (said(None, refusal="The answer is yes, but I cannot say so."), "refusal", "unparsed"),
    5: (failed(400, "context_length_exceeded"), "prompt_too_long", "unparsed"),
    6: (failed(400, "content_filter"), "content_filter", "unparsed"),
    7: (said("Is it? The answer is yes."), "stop", "right"),
}


def test_row_23_a_row_that_is_no_answer_is_kept_counted_and_never_right(api: FakeApi) -> None:
    api.react = lambda asked, nth: ENDS[int(asked[0].split()[1])][0]
    main(**arguments(Path(), api, 8))
    found = rows()
    assert [row.problem_id for row in found] == [f"p{i:03}" for i in range(8) for _ in range(2)]
    for row in found:
        _, end, verdict = ENDS[int(row.problem_id[1:])]
        assert (row.finish_reason, verdict_of(row, PROBLEM)[1]) == (end, verdict), row
    assert read_json("shard-0.ledger.json")["finish_reasons"] == {
        **{"content_filter": 4, "length": 2, "no_content": 2, "only_reasoning": 2},
        **{"prompt_too_long": 2, "refusal": 2, "stop": 2},
    }
    assert len(api.asked) == 16  # none of them is asked again


# --- row 24: batch files ------------------------------------------------------------------------------------


def test_row_24_lines_are_joined_by_id_whatever_their_order(api: FakeApi) -> None:
    api.polls = 3
    given = arguments(Path(), api, 10, batch=True)
    main(**given)  # the server answers backwards
    check_whole(given, api, 10)
    assert len(api.submitted) == 1
    lines = [json.loads(line) for line in api.submitted[0].splitlines()]
    expected = requests(given, 10)
    assert {line["custom_id"] for line in lines} == {request.request_id for request in expected}
    assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
    bodies = {line["custom_id"]: line["body"] for line in lines}
    assert bodies["p003/t/cot/1"]["messages"] == [{"role": "user", "content": "Is 3 odd? Think."}]
    assert bodies["p003/t/cot/1"]["seed"] == bodies["p003/t/cot/0"]["seed"] + 1


def test_row_24_the_bytes_are_those_of_asking_one_by_one(api: FakeApi) -> None:
    given = arguments(Path(), api, 6)
    main(**given)
    one_by_one = Path("shard-0.jsonl").read_bytes()
    main(**{**given, "teacher": {**given["teacher"], "batch": True}})
    assert (len(api.asked), len(api.batches)) == (12, 0)  # the way of asking is no part of the meaning
    Path("work").rename("before")
    main(**{**given, "teacher": {**given["teacher"], "batch": True}})
    assert len(api.batches) == 1
    assert Path("shard-0.jsonl").read_bytes() == one_by_one


def test_row_24_missing_and_failed_lines_are_submitted_again(api: FakeApi) -> None:
    api.react = lambda asked, nth: failed(500) if nth == 0 and asked[0].startswith("Is 1 ") else None

    def end(served: FakeApi, batch: Body, content: bytes) -> None:
        end_batch(served, batch, content)
        if batch["id"] == "batch_0":
            batch["status"] = "expired"
            kept = [x for x in served.files["batch_0-output"].splitlines(True) if b'"p002/t' not in x]
            served.files["batch_0-output"] = b"".join(kept)

    api.batch_ends = end
    given = arguments(Path(), api, 5, batch=True)
    main(**given)
    check_whole(given, api, 5)
    again = [json.loads(line)["custom_id"] for line in api.submitted[1].splitlines()]
    assert sorted(again) == ["p001/t/cot/0", "p001/t/cot/1", "p002/t/cot/0", "p002/t/cot/1"]
    assert len(api.submitted) == 2
    assert read_json("shard-0.ledger.json")["asked"]["retries"] == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [*lines, lines[0]], r"custom_id 'p\d{3}/t/cot/\d' is answered twice"),
        (
            lambda lines: [*lines, lines[0].replace(b'"p', b'"q')],
            r"custom_id 'q\d{3}/t/cot/\d' was not asked",
        ),
        (lambda lines: [*lines[:-1], lines[-1][:30] + b"\n"], r"expected JSON with a custom_id, found"),
    ],
    ids=["twice", "unknown", "half"],
)
def test_row_24_a_wrong_line_is_an_integrity_error(change: Any, said: str, api: FakeApi) -> None:
    def end(served: FakeApi, batch: Body, content: bytes) -> None:
        end_batch(served, batch, content)
        name = f"{batch['id']}-output"
        served.files[name] = b"".join(change(served.files[name].splitlines(True)))

    api.batch_ends = end
    given = arguments(Path(), api, 3, batch=True)
    with pytest.raises(IntegrityError, match=rf"batch batch_0: line \d+: {said}"):
        main(**given)
    assert not Path("shard-0.jsonl").exists()
    end_batch(api, api.batches["batch_0"], api.submitted[0])  # the server mends its file
    api.batch_ends = None
    main(**given)
    assert len(api.batches) == 1  # it was collected again, not submitted again
    check_whole(given, api, 3)


def test_row_24_an_answer_in_both_files_is_answered_twice(api: FakeApi) -> None:
    def end(served: FakeApi, batch: Body, content: bytes) -> None:
        end_batch(served, batch, content)
        batch["error_file_id"] = batch["output_file_id"]

    api.batch_ends = end
    with pytest.raises(IntegrityError, match="is answered twice"):
        main(**arguments(Path(), api, 3, batch=True))


def test_row_24_a_batch_whose_id_was_lost_is_found_and_not_paid_twice(api: FakeApi) -> None:
    api.create_then_reset = 1
    given = arguments(Path(), api, 3, batch=True)
    main(**given)
    check_whole(given, api, 3)
    assert len(api.batches) == 1


def test_row_24_a_batch_that_fails_is_told_and_another_is_submitted(api: FakeApi) -> None:
    def fail(served: FakeApi, batch: Body, content: bytes) -> None:
        batch["status"] = "failed"
        batch["errors"] = {"object": "list", "data": [{"code": "x", "message": "enqueued token limit"}]}

    api.batch_ends = fail
    given = arguments(Path(), api, 3, batch=True)
    with pytest.raises(DependencyError, match=r"batch batch_0 failed: 'enqueued token limit'"):
        main(**given)
    api.batch_ends = None
    main(**given)
    check_whole(given, api, 3)
    assert len(api.batches) == 2


def test_row_24_a_batch_without_any_answer_is_submitted_again(api: FakeApi) -> None:
    api.react = lambda asked, nth: failed(500) if nth == 0 else None
    given = arguments(Path(), api, 3, batch=True)
    main(**given)
    check_whole(given, api, 3)
    assert len(api.batches) == 2 and api.submitted[0] == api.submitted[1]


def test_row_24_a_cancelled_batch_of_somebody_is_not_waited_for(api: FakeApi) -> None:
    given = arguments(Path(), api, 3, batch=True)
    main(**given)
    Path("work").rename("before")
    api.batches["batch_0"]["status"] = "cancelled"
    main(**given)
    assert len(api.batches) == 2
    check_whole(given, api, 3)


def test_row_24_a_batch_without_access_stops_and_keeps_the_rest(api: FakeApi) -> None:
    api.react = lambda asked, nth: failed(401) if asked[0].startswith("Is 1 ") else None
    given = arguments(Path(), api, 3, batch=True)
    with pytest.raises(DependencyError, match="export TEACHER_KEY="):
        main(**given)
    assert (len(journaled()), len(api.batches)) == (4, 1)
    api.react = lambda asked, nth: None
    main(**given)
    assert [len(content.splitlines()) for content in api.submitted] == [6, 2]
    check_whole(given, api, 3)


def test_row_24_many_requests_go_in_several_batches(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_REQUESTS", 4)
    given = arguments(Path(), api, 5, batch=True)
    main(**given)
    check_whole(given, api, 5)
    assert [len(content.splitlines()) for content in api.submitted] == [4, 4, 2]
    Path("work").rename("before")
    monkeypatch.setattr(batches, "MOST_BYTES", 2 * len(api.submitted[2].splitlines(True)[0]))
    main(**given)
    assert [len(content.splitlines()) for content in api.submitted[3:]] == [2] * 4  # one is batch_2 again
    check_whole(given, api, 5)


@pytest.mark.parametrize("seconds", [0.0, 0.6, 0.9, 1.2])
def test_row_24_a_killed_job_finds_its_batch(seconds: float, api: FakeApi) -> None:
    api.polls = 8
    given = arguments(Path(), api, 4, batch=True)
    kill_after_first_sign(given, api, lambda: bool(api.batches), seconds)
    api.polls = 0
    code, log = finish(Path("job"), given)
    assert code == 0, log
    assert len(api.batches) == 1
    assert Path("job/shard-0.jsonl").read_bytes() == uninterrupted(given)


# --- row 25: answers that are wrong or cannot be read -------------------------------------------------------


def test_row_25_wrong_and_unreadable_answers_are_kept_and_counted(api: FakeApi) -> None:
    words = {0: "The answer is yes.", 1: "The answer is no.", 2: "I wonder.", 3: "The answer is perhaps."}
    api.react = lambda asked, nth: said(words[int(asked[0].split()[1])])
    main(**arguments(Path(), api, 4))
    verdicts = [verdict_of(row, PROBLEM)[1] for row in rows()]
    assert verdicts == ["right"] * 2 + ["wrong"] * 2 + ["unparsed"] * 4


# --- row 26: silence ----------------------------------------------------------------------------------------


def test_row_26_a_server_without_its_engine_is_given_up(api: FakeApi) -> None:
    silent = Reaction("hang")
    api.react = lambda asked, nth: silent if api.answered.total() + api.under_way > 10 else None
    given = arguments(Path(), api, 30, stall_s=1.0, timeout_s=120.0, concurrency=4)
    begun = time.monotonic()
    code, log = finish(Path("job"), given)
    assert time.monotonic() - begun < 90  # a time-out of one request is two minutes
    last = log.strip().splitlines()[-1]
    assert code == 3 and "no answer for" in last and "may be alive without its engine" in last
    kept = journaled(Path("job"))
    assert len(kept) == api.answered.total() >= 7
    api.react, before = lambda asked, nth: None, len(api.asked)
    assert finish(Path("job"), given)[0] == 0
    assert not kept & set(keys_of(api.asked[before:], requests(given, 30)))
    assert Path("job/shard-0.jsonl").read_bytes() == uninterrupted(given)


def test_row_26_a_server_that_is_gone_is_given_up(api: FakeApi) -> None:
    api.react = lambda asked, nth: Reaction("reset")
    given = arguments(Path(), api, 30, stall_s=0.5, max_attempts=100_000)
    with pytest.raises(DependencyError, match=r"no answer for \d+ s \(sent again for \d+ connection lost\)"):
        main(**given)


# --- row 27: another meaning --------------------------------------------------------------------------------

CHANGES: dict[str, dict[str, Any]] = {
    "model": {"model": "gpt-y"},
    "temperature": {"temperature": 0.8},
    "top_p": {"top_p": 0.8},
    "max_tokens": {"max_tokens": 51},
    "seed": {"seed": 4},
    "samples": {"samples": 1},
}


@pytest.mark.parametrize("change", [*CHANGES, "prompt", "endpoint"])
def test_row_27_a_changed_setting_never_mixes_with_old_answers(change: str, api: FakeApi) -> None:
    given = arguments(Path(), api, 3)
    main(**given)
    old = {path: path.read_bytes() for path in Path("work").rglob("*.json*")}
    assert {path.suffix for path in old} == {".json", ".jsonl"}
    if change == "prompt":
        Path("cot.j2").write_text("{{ question }} Think again.")
    elif change == "endpoint":
        given["teacher"]["endpoint"] += "/"
    given["teacher"].update(CHANGES.get(change, {}))
    main(**given)
    assert len(api.asked) == 6 + 3 * given["teacher"]["samples"]
    assert {path: path.read_bytes() for path in old} == old
    assert len(list(Path("work/teachers").iterdir())) == 2


@pytest.mark.parametrize(
    "change",
    [{"concurrency": 1}, {"requests_per_minute": 1e6}, {"max_attempts": 2}, {"usd_per_million_output": 1.0}],
    ids=lambda change: next(iter(change)),
)
def test_row_27_limits_and_prices_change_no_meaning(change: dict[str, Any], api: FakeApi) -> None:
    given = arguments(Path(), api, 3)
    main(**given)
    content = Path("shard-0.jsonl").read_bytes()
    given["teacher"] |= change
    main(**given)
    assert len(api.asked) == 6 and Path("shard-0.jsonl").read_bytes() == content
    assert len(list(Path("work/teachers").iterdir())) == 1


def test_row_27_two_teachers_never_share_a_folder(api: FakeApi) -> None:
    given = arguments(Path(), api, 2)
    write_json("choice.json", {"choices": {name: {"prompt": "cot", "kept": True} for name in ("t", "u")}})
    for name in ("t", "u"):
        main(**{**given, "name": name})
    assert len(list(Path("work/teachers").iterdir())) == 2


def test_row_27_a_problem_whose_text_changed_is_asked_again(api: FakeApi) -> None:
    given = arguments(Path(), api, 3)
    main(**given)
    made = [
        replace(PROBLEM, problem_id="p000", question="Is zero odd?")
    ]  # as with other examples in a prompt
    write_parquet("train.parquet", table(made, type(PROBLEM)))
    main(**given)
    assert {text for text, _ in api.asked[6:]} == {"Is zero odd? Think."}
    assert [row.text.split()[0] for row in rows()[:2]] == ["19"] * 2  # letters of the new question


def test_other_shards_take_over_what_was_answered(api: FakeApi) -> None:
    given = arguments(Path(), api, 10)
    main(**given)
    whole = read_jsonl("shard-0.jsonl")
    parts = []
    for shard in (0, 1, 2):
        main(**{**given, "shard": shard, "shards": 3})
        parts += read_jsonl("shard-0.jsonl")
        reused = read_json("shard-0.ledger.json")["reused"]["requests"]
        assert reused == (0 if shard == 0 else len(read_jsonl("shard-0.jsonl")))
    assert len(api.asked) == 20
    assert sorted(parts, key=lambda row: row["rationale_id"]) == whole


# --- row 28: any text ---------------------------------------------------------------------------------------

TEXTS = [
    "a\u2028b\u2029c\u0085d",
    "nul\x00",
    "\u202eright to left",
    "😀 ä \ufeff",
    "x" * 1_000_000,
    "a\r\nb\tc",
]


def test_row_28_any_text_comes_back_as_it_was(api: FakeApi) -> None:
    api.react = lambda asked, nth: said(TEXTS[int(asked[0].split()[1])])
    main(**arguments(Path(), api, len(TEXTS)))
    assert [row.text for row in rows()] == [text for text in TEXTS for _ in range(2)]
    write_parquet("rows.parquet", table(rows(), Rationale))
    assert [row["text"] for row in rows_of("rows.parquet")] == [row.text for row in rows()]
    assert {row["logprob"] for row in rows_of("rows.parquet")} == {None}
    assert read_json("shard-0.ledger.json")["replaced_characters"] == 0


def test_row_28_a_lone_surrogate_is_replaced_and_counted(api: FakeApi) -> None:
    raw = json.dumps(said("half \ud83d of a pair")).encode()
    assert b"\\ud83d" in raw
    api.react = lambda asked, nth: Reaction("raw", body=raw) if asked[0].startswith("Is 1 ") else None
    main(**arguments(Path(), api, 2))
    assert [row.text for row in rows()][2:] == ["half \ufffd of a pair"] * 2
    write_parquet("rows.parquet", table(rows(), Rationale))
    assert read_json("shard-0.ledger.json")["replaced_characters"] == 2


# --- kills and five hundred requests ------------------------------------------------------------------------


def uninterrupted(given: dict[str, Any]) -> bytes:
    """Return the bytes that a run without any trouble makes, one by one in a folder of its own."""
    plain = {**given["teacher"], "batch": False, "stall_s": 60.0}
    with serving(FakeApi()) as calm:
        code, log = finish(Path("calm"), {**given, "teacher": {**plain, "endpoint": calm.address}})
    assert code == 0, log
    return Path("calm/shard-0.jsonl").read_bytes()


def kill_after_first_sign(given: dict[str, Any], api: FakeApi, sign: Any, seconds: float) -> None:
    """Start the script, and kill it ``seconds`` after ``sign()`` holds."""
    with start(Path("job"), given) as process:
        until = time.monotonic() + 60
        while not sign() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_job_that_is_killed_again_and_again_ends_as_one_that_never_was(api: FakeApi) -> None:
    dice = random.Random(7)
    api.pause = 0.004
    given = arguments(Path(), api, 150, concurrency=4)
    known, kills = requests(given, 150), 0
    for _ in range(6):
        kept, before = journaled(Path("job")), len(api.asked)
        kill_after_first_sign(
            given, api, lambda begun=before: len(api.asked) > begun, dice.uniform(0.0, 0.12)
        )
        kills += not Path("job/shard-0.jsonl").exists()
        assert not kept & set(keys_of(api.asked[before:], known))
        assert len(journaled(Path("job"))) >= len(kept)
    kept, before = journaled(Path("job")), len(api.asked)
    assert kills >= 4 and 0 < len(kept) < 300
    code, log = finish(Path("job"), given)
    assert code == 0, log
    assert sorted(keys_of(api.asked[before:], known)) == sorted({r.key() for r in known} - kept)
    assert len(api.asked) <= 300 + 4 * kills  # at most what was under way is asked twice
    assert Path("job/shard-0.jsonl").read_bytes() == uninterrupted(given)
    assert read_json("job/shard-0.ledger.json")["asked"]["requests"] == 300


def test_two_attempts_at_once_are_refused(api: FakeApi) -> None:
    api.pause = 0.5
    given = arguments(Path(), api, 20, concurrency=1)
    with start(Path("job"), given) as process:
        while not journaled(Path("job")):
            time.sleep(0.01)
        code, log = finish(Path("job"), given)
        assert code == 3 and "another attempt at this job is at work" in log
        process.kill()


def test_five_hundred_requests_to_a_server_with_every_trouble(api: FakeApi) -> None:
    dice = random.Random(11)
    kinds = [failed(429), failed(429, Retry_After="0.02"), failed(500), failed(503), Reaction("reset")]
    kinds += [Reaction("half"), Reaction("hang"), Reaction("raw", body=b"<html>busy</html>")]
    seen: Counter[int] = Counter()

    def react(asked: Asked, nth: int) -> Reaction | None:
        if nth > 4 or dice.random() > 0.3:
            return None
        chosen = dice.choices(range(len(kinds)), [4, 4, 4, 4, 4, 4, 1, 4])[0]
        seen[chosen] += 1
        return kinds[chosen]

    api.react = react
    given = arguments(Path(), api, 250, timeout_s=1.0, concurrency=16)
    main(**given)
    check_whole(given, api, 250)  # 0 lost, 0 doubled
    assert len(seen) == len(kinds) and seen.total() > 100
    # A half or late answer was no answer; everything else was answered once.
    assert set(api.answered.values()) == {1} and len(api.answered) == 500
    assert len(api.asked) == 500 + seen.total()
    assert read_json("shard-0.ledger.json")["asked"]["retries"] == seen.total()
    lines = [line for part in Path("work").rglob("part-*.jsonl") for line in part.read_bytes().split(b"\n")]
    assert len([line for line in lines if line]) == 500
