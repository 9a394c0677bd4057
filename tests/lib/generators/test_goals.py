"""Goals with two tools, in PIQA's files."""

from collections import Counter
from pathlib import Path

import pytest

from tests.raw_files import read
from workflow.lib.errors import DataError
from workflow.lib.files import read_jsonl
from workflow.lib.generators import goals
from workflow.lib.generators.spaces import for_datasets


def test_the_label_names_the_tool_of_the_task(tmp_path: Path) -> None:
    goals.write(tmp_path, 3, 100, 0.0)
    problems = read("piqa", tmp_path)
    tasks = goals.goal_texts()
    assert len({p.question for p in problems}) == 100
    for p in problems:
        tool = goals.TOOLS[tasks[p.question]]
        assert p.answer == goals.solution(tool)
        assert [goals.solution(tool) == choice for choice in p.choices].count(True) == 1
        assert for_datasets(p.question)
    assert Counter(p.choices.index(str(p.answer)) for p in problems) == {0: 50, 1: 50}
    assert read_jsonl(tmp_path / "planted.jsonl") == []


def test_planted_goals_have_no_right_tool(tmp_path: Path) -> None:
    goals.write(tmp_path, 3, 100, 0.2)
    planted = {row["question"] for row in read_jsonl(tmp_path / "planted.jsonl")}
    tasks = goals.goal_texts()
    assert len(planted) == 20
    for p in read("piqa", tmp_path):
        right = goals.solution(goals.TOOLS[tasks[p.question]])
        assert (right in p.choices) == (p.question not in planted)


def test_more_goals_than_there_are_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="size: expected at most"):
        goals.write(tmp_path, 3, 100_000, 0.0)
