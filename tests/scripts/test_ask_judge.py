"""The same questions to a judge behind an API: asked once, paid once, told by prompt in the ledger."""

from pathlib import Path
from typing import Any

import pytest

from tests.api_teacher import KEY, TEACHER
from tests.fake_api import FakeApi, said, serving
from tests.scripts.test_judge_rationales import files
from workflow.lib.files import read_json, read_jsonl
from workflow.lib.opinions import said as reply_of
from workflow.lib.records import Opinion
from workflow.scripts.ask_judge import main


def arguments(folder: Path, api: FakeApi) -> dict[str, Any]:
    return {
        **files(folder),
        **{"ledger": "ledger.json", "dataset": "logic", "shard": 0},
        "teacher": {**TEACHER, "endpoint": api.address},
    }


def test_a_judge_behind_an_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEACHER_KEY", KEY)
    # It finds that every answer follows, and that what stands second is sounder.
    words = {True: "The answer is second.", False: "It does. The answer is yes."}
    with serving(FakeApi(lambda asked, nth: said(words["The second explanation:" in asked[0]]))) as api:
        main(**arguments(tmp_path, api))
        given = [Opinion(**record) for record in read_jsonl("judged.jsonl")]
        assert sorted(reply_of(o) for o in given) == ["second"] * 2 + ["yes"] * 4
        assert {o.judge for o in given} == {"j"}
        assert {body["temperature"] for body in api.bodies} == {0.0} and len(api.asked) == 6
        costs = read_json("ledger.json")
        assert {name: c["asked"]["requests"] for name, c in costs.items()} == {"entails": 4, "sounder": 2}
        first = Path("judged.jsonl").read_bytes()
        main(**arguments(tmp_path, api))
    assert len(api.asked) == 6  # all of it was journaled
    assert Path("judged.jsonl").read_bytes() == first


def test_without_comparisons_there_is_one_kind_of_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEACHER_KEY", KEY)
    with serving(FakeApi()) as api:
        given = arguments(tmp_path, api)
        main(**{**given, "compare": [], "settings": {**given["settings"], "compare": None}})
    assert len(api.asked) == 4 and list(read_json("ledger.json")) == ["entails"]
