"""The same questions to a judge behind an API: asked once, paid once, told in the ledger."""

from pathlib import Path

import pytest

from tests.api_teacher import KEY, TEACHER
from tests.fake_api import FakeApi, said, serving
from tests.scripts.test_judge_answers import ends, files
from workflow.lib.files import read_json, read_jsonl
from workflow.scripts.ask_judge_of_answers import main


def test_a_judge_behind_an_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEACHER_KEY", KEY)
    about = {"ledger": "ledger.json", "dataset": "logic", "model": "tiny"}
    words = {True: "It is shorter. The answer is first.", False: "The answer is second."}
    with serving(FakeApi(lambda asked, nth: said(words["The first answer:\nNo." in asked[0]]))) as api:
        given = {**files(tmp_path), **about, "teacher": {**TEACHER, "endpoint": api.address}}
        main(**given)
        assert ends("judged.jsonl") == ["loss", "equal"]
        assert {row["judge"] for row in read_jsonl("judged.jsonl")} == {"j"}
        assert len(api.asked) == 2 and {body["temperature"] for body in api.bodies} == {0.0}
        costs = read_json("ledger.json")
        assert costs["asked"]["requests"] == 2 and costs["asked"]["usd"] > 0
        first = Path("judged.jsonl").read_bytes()
        main(**given)
    assert len(api.asked) == 2 and Path("judged.jsonl").read_bytes() == first  # all of it was journaled
