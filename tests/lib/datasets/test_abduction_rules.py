"""AbductionRules: observations of one context, each with the fact that would explain it."""

import json
from collections import Counter

import pytest

from tests.raw_files import SHARED, accepted, read, write
from workflow.lib.errors import DataError

REAL = SHARED / "AbductionRules"
present = pytest.mark.skipif(not REAL.is_dir(), reason="needs the real rows in ../shared/data")
ASKED = {"id": "Q1", "text": "Dave is huge.", "label": "Dave is big.", "QCat": "0"}
DENIED = {**ASKED, "text": "Dave is not huge.", "QCat": "0_0"}
ROW = {
    "id": "Abduction-Animal-Simple-7",
    "context": "Dave is nice. If someone is nice and big, he is huge.",
    "questions": [ASKED, DENIED],
}


def test_observations_of_one_context_are_one_group(tmp_path):
    write(tmp_path, "test.jsonl", ROW)
    plain, denied = read("abduction_rules", tmp_path)
    assert plain.question == "Which fact would explain this observation: Dave is huge."
    assert (plain.category, plain.answer, plain.choices) == ("abductive", "Dave is big.", [])
    assert (plain.rule, denied.rule) == ("abduction_animal_simple", "abduction_animal_simple_negated")
    assert plain.group_id == denied.group_id and plain.problem_id != denied.problem_id
    assert denied.source == "test.jsonl row 1 question 2"


DEFECTS = {
    "label": ({**ASKED, "label": None}, "row 1 question 1 field 'label': expected a text, found None"),
    "kind": ({**ASKED, "QCat": "1"}, "row 1 question 1 field 'QCat': expected '0' or '0_0', found '1'"),
    "missing": (
        {"text": "x", "QCat": "0"},
        "row 1 question 1 field 'label': expected a text, found ['QCat',",
    ),
    "text": ("Dave", "row 1 field 'questions': expected a list of objects, found ['Dave']"),
}


@pytest.mark.parametrize(("question", "told"), DEFECTS.values(), ids=DEFECTS.keys())
def test_defects_are_named_with_file_row_and_field(tmp_path, question, told):
    write(tmp_path, "test.jsonl", {**ROW, "questions": [question]})
    with pytest.raises(DataError) as caught:
        read("abduction_rules", tmp_path)
    assert str(caught.value).startswith(f"test.jsonl {told}") and "\n" not in str(caught.value)


@pytest.mark.shared_data
@present
def test_real_rows():
    rows = [json.loads(line) for file in REAL.glob("*.jsonl") for line in file.read_text().splitlines()]
    asked = [
        (row["context"].strip(), question["text"], question["label"])
        for row in rows
        for question in row["questions"]
    ]
    problems = read("abduction_rules", REAL)
    found = [(p.context, p.question.partition("observation: ")[2], p.answer) for p in problems]
    assert Counter(found) == Counter(asked) and len(asked) == 160
    assert len({p.group_id for p in problems}) == len({row["context"] for row in rows})
    negated = sum(" not " in text for _, text, _ in asked)
    assert sum(p.rule.endswith("_negated") for p in problems) == negated > 0
    assert {p.rule.removesuffix("_negated") for p in problems} == {"abduction_animal", "abduction_person"}
    assert all(accepted(p) for p in problems)
