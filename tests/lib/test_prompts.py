"""Prompt files: what they may see, and what happens when they reach for more."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from workflow.lib.answers import parse_choice
from workflow.lib.errors import DataError
from workflow.lib.prompts import PromptFile

SHIPPED = sorted((Path(__file__).parents[2] / "config/prompts").glob("*.j2"))


@dataclass
class Asked:
    """A problem with a secret that no prompt may show."""

    context: str = "It rains."
    question: str = "Is it wet?"
    choices: list[str] = field(default_factory=lambda: ["yes", "no"])
    answer: str = "SECRET"


def prompt(folder: Path, text: str) -> PromptFile:
    path = folder / "p.j2"
    path.write_text(text)
    return PromptFile(path)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_prompts_show_the_problem_and_not_the_answer(path):
    text = PromptFile(path).render(Asked())
    assert "It rains." in text and "Is it wet?" in text and "SECRET" not in text
    assert "Context" not in PromptFile(path).render(Asked(context=""))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_options_are_lettered_and_yes_and_no_need_none(path):
    asked = PromptFile(path).render(Asked(choices=["in the ice box", "on the stove"]))
    assert "Question: Is it wet?\nOptions:\n(A) in the ice box\n(B) on the stove\n" in asked
    without = [PromptFile(path).render(Asked(choices=choices)) for choices in (["yes", "no"], [])]
    assert without[0] == without[1] and "Options" not in without[0]
    letter = parse_choice("It melts. The answer is (B).", ["in the ice box", "on the stove"])
    assert letter == "on the stove"


def test_there_are_prompts():
    assert {"cot", "direct"} <= {path.stem for path in SHIPPED}


@pytest.mark.parametrize(
    "text", ["{{ answer }}", "{{ question.__class__.__mro__ }}", "{{ choices.append('x') }}"]
)
def test_a_prompt_cannot_see_or_change_more(tmp_path, text):
    with pytest.raises(DataError, match=r"p\.j2"):
        prompt(tmp_path, text).render(Asked())


def test_a_syntax_error_names_the_file(tmp_path):
    with pytest.raises(DataError, match=r"p\.j2: not a prompt template"):
        prompt(tmp_path, "{% if %}")


def test_text_of_a_problem_is_never_a_template(tmp_path):
    shown = prompt(tmp_path, "{{ question }}").render(Asked(question="{{ 7 * 7 }} <b>"))
    assert shown == "{{ 7 * 7 }} <b>"
