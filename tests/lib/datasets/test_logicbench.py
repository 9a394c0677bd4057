"""LogicBench: yes/no and multiple-choice questions, Eval and Aug, made up and real."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.raw_files import SHARED, accepted, read, write
from workflow.lib.datasets.raw import Skipped
from workflow.lib.errors import DataError

BQA = {
    "type": "propositional_logic",
    "axiom": "modus_tollens",
    "samples": [
        {
            "id": 1,
            "context": "If it rains, it is wet. It is not wet.",
            "qa_pairs": [
                {"question": "Does it rain?", "answer": "no"},
                {"question": "Is it dry outside?", "answer": "yes"},
            ],
        }
    ],
}
CHOICES = {
    "choice_1": "It rains.",
    "choice_2": "It snows.",
    "choice_3": "It is hot.",
    "choice_4": "It does not rain.",
}
MCQA = {
    **BQA,
    "samples": [
        {
            "id": 1,
            "context": "If it rains, it is  wet. it is not wet.",  # case and spacing differ, as upstream
            "question": "Which conclusion fits best?",
            "choices": CHOICES,
            "answer": "choice_4",
        }
    ],
}

REAL = SHARED / "LogicBench/data"
present = pytest.mark.skipif(not REAL.is_dir(), reason="needs the real rows in ../shared/data")


def changed(content: dict, field: str, value: object) -> dict:
    """Return ``content`` with another value of ``field`` in its sample."""
    return {**content, "samples": [{**content["samples"][0], field: value}]}


def questions(file: Path) -> list[dict]:
    """Return the samples of a file of either kind."""
    content = json.loads(file.read_text())
    return content["samples"] if "samples" in content else content["data_samples"]


def test_questions_of_one_context_are_problems_of_one_group(tmp_path):
    write(tmp_path, "modus_tollens/data_instances.json", BQA)
    problems = read("logicbench_bqa", tmp_path)
    assert [(p.question, p.answer) for p in problems] == [
        ("Does it rain?", "no"),
        ("Is it dry outside?", "yes"),
    ]
    assert {(p.category, p.rule) for p in problems} == {("propositional", "modus_tollens")}
    assert len({p.problem_id for p in problems}) == 2 and len({p.group_id for p in problems}) == 1
    assert problems[1].source == "modus_tollens/data_instances.json row 1 question 2"


def test_no_record_says_which_question_it_was(tmp_path):
    pairs = BQA["samples"][0]["qa_pairs"]
    write(tmp_path, "as_they_are/data_instances.json", BQA)
    write(tmp_path, "turned/data_instances.json", changed(BQA, "qa_pairs", pairs[::-1]))
    first, second, *turned = read("logicbench_bqa", tmp_path)
    for here, there in zip([second, first], turned, strict=True):
        assert {**vars(here), "source": ""} == {**vars(there), "source": ""}


def test_aug_has_other_names_and_no_ids(tmp_path):
    aug = {"type": "non_monotonic_logic", "axiom": "constructive_dillema"}
    sample = {key: value for key, value in BQA["samples"][0].items() if key != "id"}
    write(tmp_path, "x/data_instances.json", {**aug, "data_samples": [sample]})
    problem = read("logicbench_bqa", tmp_path)[0]
    assert (problem.category, problem.rule) == ("non_monotonic", "constructive_dilemma")


def test_multiple_choice(tmp_path):
    write(tmp_path, "data_instances.json", MCQA)
    (problem,) = read("logicbench_mcqa", tmp_path)
    assert problem.choices == list(CHOICES.values()) and problem.answer == "It does not rain."
    assert problem.question == "Which conclusion fits best?" and accepted(problem)


def test_the_five_choice_item_loses_its_empty_choice(tmp_path):
    five = {**CHOICES, "choice_1": "", "choice_5": "It hails."}
    write(tmp_path, "data_instances.json", changed(MCQA, "choices", five))
    (problem,) = read("logicbench_mcqa", tmp_path)
    assert problem.choices == ["It snows.", "It is hot.", "It does not rain.", "It hails."]
    assert problem.answer == "It does not rain." and accepted(problem)


def test_both_kinds_of_question_of_one_context_share_its_group(tmp_path):
    write(tmp_path / "bqa", "data_instances.json", BQA)
    write(tmp_path / "mcqa", "data_instances.json", MCQA)
    yes_no, choice = read("logicbench_bqa", tmp_path / "bqa"), read("logicbench_mcqa", tmp_path / "mcqa")
    assert yes_no[0].context != choice[0].context
    assert {p.group_id for p in yes_no} == {p.group_id for p in choice}


def test_choices_that_read_the_same_are_left_out_and_counted(tmp_path):
    twice = {**CHOICES, "choice_2": "it does not rain"}
    write(tmp_path, "data_instances.json", changed(MCQA, "choices", twice))
    assert read("logicbench_mcqa", tmp_path) == [
        Skipped("data_instances.json row 1", "two choices read the same")
    ]


PAIR = BQA["samples"][0]["qa_pairs"][0]
DEFECTS = {
    "answer": (
        "bqa",
        changed(BQA, "qa_pairs", [{**PAIR, "answer": "maybe"}]),
        "data_instances.json row 1 question 1 field 'answer': expected 'yes' or 'no', found 'maybe'",
    ),
    "empty": (
        "bqa",
        changed(BQA, "qa_pairs", [{**PAIR, "question": " "}]),
        "data_instances.json row 1 question 1 field 'question': expected a text with words, found ' '",
    ),
    "type": (
        "bqa",
        changed(BQA, "qa_pairs", [{**PAIR, "question": 7}]),
        "data_instances.json row 1 question 1 field 'question': expected a text, found 7",
    ),
    "nul": (
        "bqa",
        changed(BQA, "qa_pairs", [{**PAIR, "question": "a\0b"}]),
        "data_instances.json row 1 question 1 field 'question': expected a text without NUL",
    ),
    "no object": (
        "bqa",
        changed(BQA, "qa_pairs", [PAIR, "yes"]),
        "data_instances.json row 1 field 'qa_pairs': expected a list of objects, found [{",
    ),
    "family": (
        "bqa",
        {**BQA, "type": "modal_logic"},
        "data_instances.json field 'type': expected 'propositional_logic'",
    ),
    "missing": (
        "bqa",
        {"type": "nm_logic", "axiom": "x"},
        "data_instances.json field 'data_samples': expected a list, found ['axiom', 'type']",
    ),
    "the other kind": (
        "bqa",
        MCQA,
        "data_instances.json row 1 field 'qa_pairs': expected a list, found ['answer', 'choices',",
    ),
    "unknown choice": (
        "mcqa",
        changed(MCQA, "answer", "choice_5"),
        "data_instances.json row 1 field 'answer': expected 'choice_1' or 'choice_2' or 'choice_3' or"
        " 'choice_4', found 'choice_5'",
    ),
    "empty gold": (
        "mcqa",
        changed(MCQA, "choices", {**CHOICES, "choice_4": ""}),
        "data_instances.json row 1 field 'answer': expected 'choice_1' or 'choice_2' or 'choice_3', found",
    ),
    "gap": (
        "mcqa",
        changed(MCQA, "choices", {"choice_1": "a", "choice_3": "b"}),
        "data_instances.json row 1 choices field 'choice_2': expected a text, found ['choice_1', 'choice_3']",
    ),
    "choices": (
        "mcqa",
        changed(MCQA, "choices", ["a", "b"]),
        "data_instances.json row 1 field 'choices': expected an object, found ['a', 'b']",
    ),
    "choice": (
        "mcqa",
        changed(MCQA, "choices", {**CHOICES, "choice_2": None}),
        "data_instances.json row 1 choices field 'choice_2': expected a text, found None",
    ),
}


@pytest.mark.parametrize(("kind", "content", "told"), DEFECTS.values(), ids=DEFECTS.keys())
def test_defects_are_named_with_file_row_and_field(tmp_path, kind, content, told):
    write(tmp_path, "data_instances.json", content)
    with pytest.raises(DataError) as caught:
        read(f"logicbench_{kind}", tmp_path)
    assert str(caught.value).startswith(told) and "\n" not in str(caught.value)


def test_bytes_that_are_not_utf8_are_named(tmp_path):
    (tmp_path / "data_instances.json").write_bytes(b'{"type": "\xff"}')
    with pytest.raises(DataError, match=r"data_instances\.json: not UTF-8"):
        read("logicbench_bqa", tmp_path)


@pytest.mark.shared_data
@present
@pytest.mark.parametrize("part", ["LogicBench(Eval)/BQA", "LogicBench(Aug)"])
def test_real_yes_no_questions(part):
    files = sorted((REAL / part).rglob("data_instances.json"))
    pairs = [
        (file.parent.parent.name, sample["context"].strip(), pair["question"].strip(), pair["answer"])
        for file in files
        for sample in questions(file)
        for pair in sample["qa_pairs"]
    ]
    assert len(files) == 3 and {answer for *_, answer in pairs} == {"yes", "no"}
    families = {"nm_logic": "non_monotonic", "first_order_logic": "first_order"}
    problems = read("logicbench_bqa", REAL / part)
    found = Counter((p.category, p.context, p.question, p.answer) for p in problems)
    assert found == Counter((families.get(f, "propositional"), *rest) for f, *rest in pairs)
    assert {p.rule for p in problems} == {
        file.parent.name.replace("instantiation", "generalization") for file in files
    }
    assert all(accepted(p) for p in problems)


@pytest.mark.shared_data
@present
def test_real_multiple_choice():
    files = sorted((REAL / "LogicBench(Eval)/MCQA").rglob("data_instances.json"))
    samples = [sample for file in files for sample in questions(file)]
    problems = read("logicbench_mcqa", REAL / "LogicBench(Eval)/MCQA")
    places = Counter(p.choices.index(p.answer) + 1 for p in problems)
    assert places == Counter(int(s["answer"].removeprefix("choice_")) for s in samples)
    assert [p.question for p in problems] == [s["question"].strip() for s in samples]
    assert [len(p.choices) for p in problems] == [len(s["choices"]) for s in samples]
    assert len(samples) > 30 and all(accepted(p) for p in problems)


@pytest.mark.shared_data
@present
def test_both_real_kinds_share_every_context_that_reads_the_same():
    contexts: dict[str, dict[tuple, str]] = {
        kind: {
            (file.parent.name, sample["id"]): sample["context"]
            for file in (REAL / "LogicBench(Eval)" / kind).rglob("data_instances.json")
            for sample in questions(file)
        }
        for kind in ("BQA", "MCQA")
    }
    assert contexts["BQA"].keys() == contexts["MCQA"].keys()
    both = [(contexts["BQA"][key], contexts["MCQA"][key]) for key in contexts["BQA"]]
    same = [(a, b) for a, b in both if a.lower().split() == b.lower().split()]
    byte_for_byte = sum(a == b for a, b in same)
    assert 0 < byte_for_byte < len(same)  # or the test would show nothing
    groups = {
        kind: {p.context: p.group_id for p in read(f"logicbench_{kind.lower()}", folder)}
        for kind, folder in ((kind, REAL / "LogicBench(Eval)" / kind) for kind in contexts)
    }
    assert all(groups["BQA"][a.strip()] == groups["MCQA"][b.strip()] for a, b in same)
    shared = set(groups["BQA"].values()) & set(groups["MCQA"].values())
    assert len(shared) == len({" ".join(a.lower().split()) for a, _ in same})
