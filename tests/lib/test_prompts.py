"""Prompt files: what they declare, what they may see, and what happens when they reach for more."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lib.test_examples import problem
from workflow.lib.answers import parse_choice
from workflow.lib.errors import DataError
from workflow.lib.examples import Example
from workflow.lib.prompts import PromptFile
from workflow.lib.sights import COMPARER, HINTED, JUDGE, RIVALS, STUDENT, TEACHER, sights_of

SHIPPED = sorted((Path(__file__).parents[2] / "config/prompts").glob("*.j2"))
FOR_STUDENTS = [path for path in SHIPPED if set(sights_of(path.read_text())) <= set(STUDENT)]
ASKING = [path for path in SHIPPED if path.stem not in ("text", "better")]  # continued; shown a user turn
WITH_GOLD = [path for path in SHIPPED if "answer" in sights_of(path.read_text())]
EVERY = (*HINTED, *JUDGE, *COMPARER, *RIVALS)
EXAMPLE = Example("Ann ran.", "Did Ann walk?", ["yes", "no"], "no")


@dataclass
class Asked:
    """A problem with a secret that no prompt may show."""

    context: str = "It rains."
    question: str = "Is it wet?"
    choices: list[str] = field(default_factory=lambda: ["yes", "no"])
    rule: str = "modus_tollens"
    category: str = "first_order"
    answer: str = "SECRET"
    steps: str = "It rains, so it is wet."
    stated: str = "yes"
    first: str = "One."
    second: str = "Two."
    asked: str = "It rains. Is it wet?"


def prompt(folder: Path, text: str, *may_see: str) -> PromptFile:
    path = folder / "p.j2"
    path.write_text(text)
    return PromptFile(path, may_see or STUDENT)


def shown(path: Path, asked: Asked) -> str:
    return PromptFile(path, EVERY, lambda _: [EXAMPLE]).render(asked)


def test_the_shipped_prompts_and_what_they_see():
    assert {path.stem: sights_of(path.read_text()) for path in SHIPPED} == {
        "answer_conditioned": (*STUDENT, "answer"),
        "better": RIVALS,
        "cot": STUDENT,
        "direct": STUDENT,
        "entails": JUDGE,
        "few_shot_cot": (*STUDENT, "examples"),
        "json": STUDENT,
        "question_answer": STUDENT,
        "rule_hinted": (*STUDENT, "rule", "category"),
        "sounder": COMPARER,
        "text": ("question",),
    }


@pytest.mark.parametrize("path", ASKING, ids=lambda p: p.stem)
def test_shipped_prompts_show_the_problem_and_the_answer_only_where_they_declare_it(path):
    text = shown(path, Asked())
    assert "It rains." in text and "Is it wet?" in text and "{" not in text.replace('{"reasoning"', "")
    assert ("SECRET" in text) == (path in WITH_GOLD)
    assert "Context: \n" not in shown(path, Asked(context=""))


@pytest.mark.parametrize("path", ASKING, ids=lambda p: p.stem)
def test_options_are_lettered_and_yes_and_no_need_none(path):
    asked = shown(path, Asked(choices=["in the ice box", "on the stove"]))
    assert "Question: Is it wet?\nOptions:\n(A) in the ice box\n(B) on the stove\n" in asked
    without = [shown(path, Asked(choices=choices)) for choices in (["yes", "no"], [])]
    assert without[0] == without[1] and "Options" not in without[0]
    letter = parse_choice("It melts. The answer is (B).", ["in the ice box", "on the stove"])
    assert letter == "on the stove"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_only_prompts_without_help_are_for_students_and_only_one_shows_gold(path):
    if path in FOR_STUDENTS:
        assert PromptFile(path).render(Asked()) == shown(path, Asked())
    else:
        with pytest.raises(DataError, match=rf"{path.stem}\.j2 field 'sees': expected only context, q"):
            PromptFile(path)
    if path in WITH_GOLD:
        with pytest.raises(DataError, match="found 'answer'"):
            PromptFile(path, TEACHER)


def test_prompts_for_base_models_end_where_the_completion_begins():
    bare = {path.stem: shown(path, Asked(context="")) for path in SHIPPED}
    assert (bare["question_answer"], bare["text"]) == ("Question: Is it wet?\n\nAnswer:", "Is it wet?")


def test_the_rule_is_named_in_words():
    (path,) = (path for path in SHIPPED if path.stem == "rule_hinted")
    assert "reasoning: first order.\nWhat it turns on: modus tollens.\nThink" in shown(path, Asked())
    assert "turns on" not in shown(path, Asked(rule=""))


def test_examples_stand_before_the_question_with_their_answers():
    (path,) = (path for path in SHIPPED if path.stem == "few_shot_cot")
    choices = Example("", "Who ran?", ["Ann", "Bob"], "Ann")
    text = PromptFile(path, TEACHER, lambda _: [EXAMPLE, choices]).render(Asked())
    assert text == (
        "Some problems of the same kind, with their right answers:\n\n"
        "Context: Ann ran.\nQuestion: Did Ann walk?\nThe answer is no\n\n"
        "Question: Who ran?\nOptions:\n(A) Ann\n(B) Bob\nThe answer is Ann\n\n"
        "Now this one.\n\nContext: It rains.\nQuestion: Is it wet?\n"
        'Think step by step, then end with a line of the form "The answer is ...".'
    )


def test_a_judge_is_shown_the_steps_and_the_answer_and_another_one_two_texts():
    files = {path.stem: path for path in SHIPPED}
    told = "Somebody reasoned:\nIt rains, so it is wet.\n\nFrom this they answered: yes\n"
    assert told in shown(files["entails"], Asked())
    told = "The first explanation:\nOne.\n\nThe second explanation:\nTwo.\n"
    assert told in shown(files["sounder"], Asked())
    told = "This was asked:\nIt rains. Is it wet?\n\nThe first answer:\nOne.\n\nThe second answer:\nTwo.\n"
    assert told in shown(files["better"], Asked())
    for stem in ("entails", "sounder", "better"):
        with pytest.raises(DataError, match="field 'sees'"):
            PromptFile(files[stem], HINTED)


def test_the_hint_is_in_quotation_marks():
    (path,) = WITH_GOLD
    assert 'Hint: the right answer is "SECRET".\nThink' in shown(path, Asked())


def test_what_is_not_declared_cannot_be_used(tmp_path):
    with pytest.raises(DataError, match=r"p\.j2.*'rule' is undefined.*docs/prompts\.md"):
        prompt(tmp_path, "{# sees: question #}{{ rule }}", *TEACHER).render(Asked())
    assert prompt(tmp_path, "{# sees: rule #}\n{{ rule }}", *TEACHER).render(problem("a")) == "rule 1"


@pytest.mark.parametrize(
    ("text", "sees"),
    [
        ("{# sees: question rule #}\nx", ("question", "rule")),
        ("{#- sees: question question -#}x", ("question",)),
        ("\n {# sees: #}x", ()),
        ("{{ question }} {# sees: answer #}", STUDENT),  # a header stands first
        ("{# a note #}{{ question }}", STUDENT),
    ],
)
def test_headers(text, sees):
    assert sights_of(text) == sees


@pytest.mark.parametrize(
    "text", ["{{ answer }}", "{{ question.__class__.__mro__ }}", "{{ choices.append('x') }}"]
)
def test_a_prompt_cannot_see_or_change_more(tmp_path, text):
    with pytest.raises(DataError, match=r"p\.j2"):
        prompt(tmp_path, text).render(Asked())


def test_a_name_that_nobody_knows_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"p\.j2 field 'sees': expected only .*, answer here, found 'secret'"):
        prompt(tmp_path, "{# sees: question secret #}", *HINTED)


def test_a_syntax_error_names_the_file(tmp_path):
    with pytest.raises(DataError, match=r"p\.j2: not a prompt template"):
        prompt(tmp_path, "{% if %}")


def test_text_of_a_problem_is_never_a_template(tmp_path):
    shown = prompt(tmp_path, "{{ question }}").render(Asked(question="{{ 7 * 7 }} <b>"))
    assert shown == "{{ 7 * 7 }} <b>"
