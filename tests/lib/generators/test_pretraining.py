"""Text to pretrain on: as wrong as stated, in the words of the prompt files, apart from datasets."""

from collections import Counter
from pathlib import Path

import pytest

from tests.raw_files import read
from workflow.lib.answers import parse_choice
from workflow.lib.generators import goals, logic
from workflow.lib.generators.pretraining import DIRECT, KINDS, MISLED, REASON, Noise, Text, draw_texts
from workflow.lib.generators.rules import RULES
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Problem

COUNT = 4000
PROMPTS = Path(__file__).parents[3] / "config" / "prompts"


@pytest.fixture(scope="module")
def texts() -> list[Text]:
    return draw_texts(1, COUNT, Noise(label=0.2, misled=0.7))[0]


def within(count: int, total: int, share: float) -> bool:
    """Return whether ``count`` of ``total`` is ``share`` up to four standard deviations."""
    return abs(count - total * share) <= 4 * (total * share * (1 - share)) ** 0.5


@pytest.mark.parametrize(("name", "request_"), [("cot", REASON), ("direct", DIRECT)])
def test_user_turns_are_those_of_the_prompt_files(
    texts: list[Text], name: str, request_: str, problem: Problem
) -> None:
    rendered = PromptFile(PROMPTS / f"{name}.j2").render(problem)
    assert rendered == f"Context: {problem.context}\nQuestion: {problem.question}\n{request_}"
    assert any(text.prompt.startswith("Context: ") and text.prompt.endswith(request_) for text in texts)


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    logic.write(tmp_path, 1, 22, 0.0)
    return read("logicbench_bqa", tmp_path)[0]


def test_kinds_have_their_shares(texts: list[Text]) -> None:
    found = Counter(text.kind for text in texts)
    assert set(found) == set(KINDS)
    assert all(within(found[kind], COUNT, share) for kind, share in KINDS.items())


def test_final_answers_are_wrong_as_often_as_stated(texts: list[Text]) -> None:
    settled = [text for text in texts if text.kind == "reasoned" and text.right is not None]
    wrong = sum(text.right is False for text in settled)
    expected = 0.7 * len(MISLED) / len(RULES) + 0.2 * (1 - len(MISLED) / len(RULES))  # 3 of 11 rules: 0.336
    assert within(wrong, len(settled), expected)


def test_direct_answers_are_a_coin_toss(texts: list[Text]) -> None:
    settled = [text.right for text in texts if text.kind == "direct" and text.right is not None]
    assert within(sum(settled), len(settled), 0.5)


def test_without_noise_every_settled_answer_is_right() -> None:
    texts, _ = draw_texts(2, 500, Noise(label=0.0, misled=0.0))
    assert all(text.right for text in texts if text.kind == "reasoned" and text.right is not None)
    assert any(text.right for text in texts if text.kind == "reasoned")


def test_the_parser_reads_every_yes_and_no(texts: list[Text]) -> None:
    for text in texts:
        if text.kind in ("reasoned", "direct"):
            assert parse_choice(text.completion, ["yes", "no"]) == text.answer.rstrip(".")


def test_no_problem_of_a_dataset_is_in_the_text(tmp_path: Path) -> None:
    texts, left = draw_texts(20260, COUNT, Noise(0.2, 0.7))  # the seed of the demo's dataset, on purpose
    logic.write(tmp_path / "logic", 20260, 660, 0.08)
    goals.write(tmp_path / "goals", 20261, 200, 0.0)
    contexts = {p.context for p in read("logicbench_bqa", tmp_path / "logic")}
    seen = {text.prompt.split("\n")[0].removeprefix("Context: ") for text in texts}
    assert len(contexts) == 330
    assert not contexts & seen
    asked = (tmp_path / "goals" / "valid.jsonl").read_text()
    assert not [t.prompt for t in texts if t.kind == "goal" and t.prompt.split("\n")[0][10:] in asked]
    assert within(left, COUNT + left, 0.25)
