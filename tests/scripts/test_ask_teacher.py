"""One shard of a teacher behind an API; what goes wrong there is in tests/faults/test_teacher_api.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_teacher import KEY, arguments, rows
from tests.fake_api import FakeApi, serving
from workflow.lib.asking import request_seed, shard_of
from workflow.lib.endpoint import ApiTeacher
from workflow.lib.errors import DataError
from workflow.lib.files import read_json, write_json
from workflow.scripts.ask_teacher import main


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEACHER_KEY", KEY)
    with serving(FakeApi()) as served:
        yield served


def test_rows_are_those_of_the_problems_of_the_shard(api: FakeApi) -> None:
    given = arguments(Path(), api, 12)
    teacher = ApiTeacher(**given["teacher"])
    found = []
    for shard in (0, 1):
        main(**{**given, "shard": shard, "shards": 2})
        found += rows()
        assert {shard_of(row.problem_id, 2) for row in rows()} == {shard}
    assert sorted((row.problem_id, row.index) for row in found) == [
        (f"p{i:03}", index) for i in range(12) for index in (0, 1)
    ]
    for row in found:
        assert row.split == ("train" if int(row.problem_id[1:]) < 6 else "dev")
        assert row.seed == request_seed(row.problem_id, teacher) + row.index
        assert (
            row.text
            == f"{len(f'Is {int(row.problem_id[1:])} odd? Think.')} letters, seed {row.seed}. "
            + (f"The answer is {'yes' if row.seed % 2 else 'no'}.")
        )
        assert (row.teacher, row.prompt, row.logprob) == ("t", "cot", None)
        assert (row.prompt_tokens, row.tokens, row.finish_reason) == (3, 5, "stop")
    assert {body["model"] for body in api.bodies} == {"gpt-x"}
    assert read_json("shard-0.ledger.json")["served_models"] == {"served-model": len(rows())}


def test_a_dropped_teacher_has_an_empty_shard(api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
    given = arguments(Path(), api, 2)
    write_json("choice.json", {"choices": {"t": {"prompt": "cot", "kept": False}}})
    main(**given)
    assert (Path("shard-0.jsonl").read_bytes(), read_json("shard-0.ledger.json")) == (b"", {})
    assert api.asked == [] and "teacher 't' is not kept" in capsys.readouterr().out


def test_a_prompt_that_is_no_candidate_is_refused(api: FakeApi) -> None:
    given = arguments(Path(), api, 2)
    write_json("choice.json", {"choices": {"t": {"prompt": "few", "kept": True}}})
    with pytest.raises(DataError, match=r"choices\.t\.prompt.*\['cot'\], found 'few'"):
        main(**given)
