"""One entry of the tournament by a teacher behind an API, and what the shard takes over from it."""

from pathlib import Path
from typing import Any

import pytest

from tests.api_teacher import KEY, arguments, rows
from tests.fake_api import FakeApi, serving
from workflow.lib.files import read_json
from workflow.scripts.ask_prompts import main
from workflow.scripts.ask_teacher import main as ask_teacher


def entry(given: dict[str, Any], size: int) -> dict[str, Any]:
    """Return the arguments of ``ask_prompts`` for the same teacher on the same problems."""
    shared = {key: given[key] for key in ("train", "dataset", "name", "teacher", "examples")}
    files = {"problems": given["dev"], "prompt": given["prompts"][0]}
    return {**shared, **files, "rationales": "cot.jsonl", "ledger": "cot.ledger.json", "size": size}


def test_the_first_problems_of_dev_are_asked_and_not_asked_again_for_the_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEACHER_KEY", KEY)
    with serving(FakeApi()) as api:
        given = arguments(Path(), api, 10)  # p005 to p009 are dev
        main(**entry(given, 3))
        tried = rows("cot.jsonl")
        assert [(row.problem_id, row.index) for row in tried] == [
            (f"p00{i}", index) for i in (5, 6, 7) for index in (0, 1)
        ]
        assert {(row.split, row.prompt) for row in tried} == {("dev", "cot")}
        assert len(api.asked) == 6
        ask_teacher(**given)
    assert len(api.asked) == 20 and len(set(api.asked)) == 20
    assert [row for row in rows() if row.problem_id in ("p005", "p006", "p007")] == tried
    costs = read_json("cot.ledger.json"), read_json("shard-0.ledger.json")
    assert [(c["asked"]["requests"], c["reused"]["requests"]) for c in costs] == [(6, 0), (14, 6)]
