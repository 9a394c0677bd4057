"""Whose answers are shown to the judge, and once; the engine itself is tested with other questions."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.hand_samples import sample, write_samples
from tests.lib.test_verification import sample as rationale
from tests.source import ROOT
from workflow.lib.asking import Question
from workflow.lib.duels import duels, pairs_of
from workflow.lib.files import read_jsonl
from workflow.lib.records import Opinion, Rationale, Sample
from workflow.scripts import judge_answers

PROBLEMS = 2
SETTINGS = {"by": "j", "prompt": "better", "task": "quiz", "temperature": 0.0, "problems": PROBLEMS}


def answers() -> list[Sample]:
    """Return answers of base and DPO to three problems; to p2 both say the same, and p3 is not judged."""
    texts = {"p1": ("No.", "It rains, so yes."), "p2": ("Yes.", "Yes."), "p3": ("No.", "So yes.")}
    return [
        sample(method=method, problem_id=key, text=text)
        for key, both in texts.items()
        for method, text in zip(("base", "dpo"), both, strict=True)
    ]


def files(folder: Path) -> dict[str, Any]:
    """Write the answers, and return the arguments that both judges take."""
    paths = [
        write_samples(folder / f"{method}.parquet", [a for a in answers() if a.method == method])
        for method in ("dpo", "base")
    ]
    prompt = str(ROOT / "config/prompts/better.j2")
    return {"samples": paths, "prompt": prompt, "judged": "judged.jsonl", "name": "j", "settings": SETTINGS}


def ends(path: str) -> list[str]:
    """Return how the pairs that are judged ended."""
    given = [Opinion(**record) for record in read_jsonl(path)]
    return [duel.end for duel in duels(pairs_of(answers(), PROBLEMS), given)]


def test_two_answers_are_asked_about_in_both_orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[Question] = []

    def reply(
        questions: Sequence[Question], *, name: str, prompt: str, teacher: Any, **_: Any
    ) -> list[Rationale]:
        assert (teacher.samples, teacher.temperature, teacher.max_tokens, prompt) == (1, 0.0, 8, "better")
        asked.extend(questions)
        better = ["first" if "The first answer:\nIt rains" in q.text else "second" for q in questions]
        return [
            replace(rationale(f"The answer is {said}.", q.problem_id, teacher=name), split=q.split)
            for q, said in zip(questions, better, strict=True)
        ]

    monkeypatch.setattr(judge_answers, "sample", reply)
    judge_answers.main(
        **files(tmp_path),
        adapter=[],
        manifest="none",
        snapshot="none",
        hardware={},
        teacher={"kind": "vllm", "model": "m", "samples": 6, "temperature": 1.0}
        | {"top_p": 1.0, "max_tokens": 8, "seed": 3},
    )
    assert len(asked) == 2 and ends("judged.jsonl") == ["win", "equal"]
