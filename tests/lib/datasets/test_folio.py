"""FOLIO v0.0: two files with two schemas and two names of one label."""

import json
from collections import Counter

import pytest

from tests.raw_files import SHARED, accepted, read, write
from workflow.lib.errors import DataError

REAL = SHARED / "folio_v0.0"
present = pytest.mark.skipif(not REAL.is_dir(), reason="needs the real rows in ../shared/data")
TRAIN = {
    "story_id": 69,
    "example_id": 205,
    "premises": ["Every cat is a pet.", " Tom is a cat. "],
    "conclusion": "Tom is a pet.",
    "label": "True",
    "source": "wiki",
}
VALIDATION = {key: TRAIN[key] for key in ("premises", "conclusion", "label")}


def test_a_conclusion_is_asked_of_its_premises(tmp_path):
    write(tmp_path, "folio-train.jsonl", TRAIN)
    (problem,) = read("folio", tmp_path)
    assert problem.context == "Every cat is a pet. Tom is a cat."
    assert problem.question == "Is this conclusion true, false or uncertain? Tom is a pet."
    assert (problem.category, problem.rule, problem.answer) == ("first_order", "folio", "true")
    assert problem.choices == ["true", "false", "uncertain"] and accepted(problem)


@pytest.mark.parametrize(
    ("label", "answer"),
    [("True", "true"), ("False", "false"), ("Unknown", "uncertain"), ("Uncertain", "uncertain")],
)
def test_both_names_of_a_label_are_read_and_kept(tmp_path, label, answer):
    write(tmp_path, "x.jsonl", {**TRAIN, "label": label})
    (problem,) = read("folio", tmp_path)
    assert problem.answer == answer and json.loads(problem.instance) == {"label": label}


def test_a_story_is_a_group_whatever_its_wording(tmp_path):
    same = {**TRAIN, "premises": ["Cats are pets.", "Tom is a cat."], "conclusion": "Tom sings."}
    write(tmp_path, "x.jsonl", TRAIN, same, {**TRAIN, "story_id": 70, "conclusion": "Tom runs."})
    first, second, other = read("folio", tmp_path)
    assert first.group_id == second.group_id != other.group_id


def test_without_ids_the_premises_are_the_group(tmp_path):
    loud = {**VALIDATION, "premises": ["EVERY CAT IS A PET.", "Tom  is a cat."], "conclusion": "Tom runs."}
    other = {**VALIDATION, "premises": ["Every cat is a pet."], "conclusion": "Tom runs."}
    write(tmp_path, "x.jsonl", VALIDATION, loud, other)
    first, second, third = read("folio", tmp_path)
    assert first.group_id == second.group_id != third.group_id


DEFECTS = {
    "label": ({**TRAIN, "label": "Neutral"}, "field 'label': expected 'True' or 'False' or 'Unknown' or"),
    "missing": (VALIDATION | {"conclusion": ""}, "field 'conclusion': expected a text with words, found ''"),
    "text": ({**TRAIN, "premises": "All."}, "field 'premises': expected a list of texts, found 'All.'"),
    "number": ({**TRAIN, "premises": [1]}, "field 'premises': expected a list of texts without NUL"),
    "empty": (
        {**TRAIN, "premises": [" "]},
        "field 'premises': expected a text with words at least, found []",
    ),
    "story": ({**TRAIN, "story_id": "69"}, "field 'story_id': expected a whole number, found '69'"),
    "unlabelled": ({"premises": ["a"]}, "field 'label': expected a value, found ['premises']"),
}


@pytest.mark.parametrize(("row", "told"), DEFECTS.values(), ids=DEFECTS.keys())
def test_defects_are_named_with_file_row_and_field(tmp_path, row, told):
    write(tmp_path, "folio-train.jsonl", TRAIN, row)
    with pytest.raises(DataError) as caught:
        read("folio", tmp_path)
    assert str(caught.value).startswith(f"folio-train.jsonl row 2 {told}") and "\n" not in str(caught.value)


@pytest.mark.shared_data
@present
def test_real_rows():
    files = {file.name: file.read_text().splitlines() for file in REAL.glob("*.jsonl")}
    rows = [json.loads(line) for name in sorted(files) for line in files[name]]
    problems = read("folio", REAL)
    names = Counter(row["label"] for row in rows)
    assert {"True", "False", "Unknown", "Uncertain"} == names.keys()  # both names occur
    assert Counter(json.loads(p.instance)["label"] for p in problems) == names
    assert Counter(p.answer for p in problems) == {
        "true": names["True"],
        "false": names["False"],
        "uncertain": names["Unknown"] + names["Uncertain"],
    }
    for row, problem in zip(rows, problems, strict=True):
        assert row["conclusion"].strip() in problem.question
        assert all(premise.strip() in problem.context for premise in row["premises"])
    stories = {row["story_id"] for row in rows if "story_id" in row}
    texts = {" ".join(" ".join(row["premises"]).split()) for row in rows if "story_id" not in row}
    assert len({p.group_id for p in problems}) == len(stories) + len(texts)
    assert all(accepted(p) for p in problems)
