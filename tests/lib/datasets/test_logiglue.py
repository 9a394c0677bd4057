"""LogiGLUE: 24 configs whose columns differ, made up and in the shape of the real files."""

import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.raw_files import SHARED, accepted, read, write
from workflow.lib.datasets.logiglue import CATEGORIES, HELD_OUT, TRAINED
from workflow.lib.datasets.raw import Skipped
from workflow.lib.errors import DataError

REAL = SHARED / "logi_glue_shaped"
present = pytest.mark.skipif(not REAL.is_dir(), reason="needs the rows in ../shared/data")
NLI = {
    "id_": 7,
    "context": "premises: Every cat is a pet. Tom is a cat. conclusion: Tom is a pet.",
    "question": "Is the conclusion entailment, contradiction or neutral given the premises?",
    "choices": ["entailment", "contradiction", "neutral"],
    "answer_choice": 0,
    "answer_text": "entailment",
    "input": "Context: premises: … Question: … Options: (A) entailment (B) contradiction (C) neutral",
}
ALPHA = {
    "id_": "0b",
    "context": "Ann lost her key. She got in all the same.",
    "question": "What happened in between?",
    "choices": ["The window was open.", "It rained."],
    "answer_choice": 1,  # the first
    "answer_text": "The window was open.",
    "input": "…",
}
FREE = {
    "id_": 1,
    "context": "Dave is nice. If someone is nice and big, he is huge.",
    "question": "Which fact would explain the observation: Dave is huge.",
    "answer_text": "Dave is big.",
    "input": "…",
}


def without(row: dict, *fields: str) -> dict:
    """Return ``row`` without ``fields``."""
    return {key: value for key, value in row.items() if key not in fields}


def test_ten_configs_train_and_fourteen_are_held_out():
    assert (len(TRAINED), len(HELD_OUT), len(CATEGORIES)) == (10, 14, 24)
    assert Counter(CATEGORIES.values()) == {"deductive": 13, "abductive": 5, "inductive": 3, "mixed": 3}


def test_the_docs_list_every_config_under_its_reasoning():
    text = (Path(__file__).parents[3] / "docs/datasets.md").read_text()
    for category in set(CATEGORIES.values()):
        (line,) = (line for line in text.splitlines() if line.startswith(f"| {category} |"))
        trained, held_out = (cell.strip().split(", ") for cell in line.split("|")[2:4])
        assert set(trained) == {config for config in TRAINED if TRAINED[config] == category}
        assert set(held_out) == {config for config in HELD_OUT if HELD_OUT[config] == category}


def test_every_config_is_found_by_its_folder(tmp_path):
    for config in CATEGORIES:
        write(tmp_path, f"{config}/any name.jsonl", {**FREE, "context": f"Of {config}."})
    problems = read("logiglue", tmp_path)
    assert {p.rule: p.category for p in problems} == CATEGORIES and len(problems) == 24
    assert {p.rule: p.context for p in problems} == {config: f"Of {config}." for config in CATEGORIES}


def test_the_hubs_parquet_files_are_read_too(tmp_path):
    path = tmp_path / "wanli/test/0000.parquet"
    path.parent.mkdir(parents=True)
    empty = {**FREE, "choices": None, "answer_choice": None}
    pq.write_table(pa.Table.from_pylist([empty, {**NLI, "id_": 2}]), path)
    free, labelled = read("logiglue", tmp_path)
    assert (free.choices, free.answer, free.rule) == ([], "Dave is big.", "wanli")
    assert (labelled.choices, labelled.answer) == (NLI["choices"], "entailment")


@pytest.mark.parametrize("choices", [[""], [], None, "absent"])
def test_without_choices_the_answer_is_free_text(tmp_path, choices):
    row = FREE if choices == "absent" else {**FREE, "choices": choices, "answer_choice": 0}
    write(tmp_path, "anli/anli_test.jsonl", row)
    (problem,) = read("logiglue", tmp_path)
    assert problem.choices == [] and problem.answer == "Dave is big." and accepted(problem)


@pytest.mark.parametrize(("gold", "number"), [("The window was open.", 1), ("It rained.", 2)])
def test_alpha_nli_counts_from_one(tmp_path, gold, number):
    row = {**ALPHA, "answer_text": gold, "answer_choice": number}
    write(tmp_path, "alpha_nli/alpha_nli_train.jsonl", row)
    (problem,) = read("logiglue", tmp_path)
    assert problem.answer == gold and problem.choices == ALPHA["choices"]
    write(tmp_path, "alpha_nli/alpha_nli_train.jsonl", {**row, "answer_choice": number - 1})
    with pytest.raises(DataError, match=rf"row 1 field 'answer_choice': expected {number}, as '{gold}' says"):
        read("logiglue", tmp_path)


@pytest.mark.parametrize("config", sorted(CATEGORIES.keys() - {"alpha_nli"}))
def test_all_others_count_from_zero(tmp_path, config):
    write(tmp_path, f"{config}/{config}_test.jsonl", NLI)
    assert read("logiglue", tmp_path)[0].answer == "entailment"
    write(tmp_path, f"{config}/{config}_test.jsonl", {**NLI, "answer_choice": 1})
    with pytest.raises(DataError, match="field 'answer_choice': expected 0, as 'entailment' says, found 1"):
        read("logiglue", tmp_path)


def test_an_empty_choice_is_dropped_but_counted_by_answer_choice(tmp_path):
    row = {**NLI, "choices": ["", "a cat", "a dog"], "answer_text": "A dog.", "answer_choice": 2}
    write(tmp_path, "logiQA/logiQA_test.jsonl", row)
    (problem,) = read("logiglue", tmp_path)
    assert (problem.choices, problem.answer) == (["a cat", "a dog"], "a dog")


def test_choices_that_read_the_same_are_left_out(tmp_path):
    row = {**ALPHA, "choices": ["It rained", "it  rained."], "answer_text": "It rained"}
    write(tmp_path, "alpha_nli/x.jsonl", row)
    assert read("logiglue", tmp_path) == [Skipped("alpha_nli/x.jsonl row 1", "two choices read the same")]


@pytest.mark.parametrize("label", ["context: ", "Context:", "CONTEXT:  "])
def test_a_leading_context_label_is_dropped_and_nothing_else(tmp_path, label):
    context = "In this context: Tom is a cat."
    write(tmp_path, "reclor/reclor_test.jsonl", {**NLI, "context": label + context})
    assert read("logiglue", tmp_path)[0].context == context


@pytest.mark.parametrize(
    "row",
    [
        without(NLI, "question"),
        {**NLI, "question": ""},
        {**NLI, "context": None},
        {**NLI, "hypothesis": "Tom is a pet."},
    ],
    ids=["no question", "empty question", "no context", "hypothesis apart"],
)
def test_rows_with_parts_elsewhere_are_asked_by_their_input(tmp_path, row):
    write(tmp_path, "logiQA_2.0/logiQA_2.jsonl", row)
    (problem,) = read("logiglue", tmp_path)
    assert (problem.context, problem.question) == ("", NLI["input"])


def test_repeated_ids_are_different_problems_and_premises_make_the_group(tmp_path):
    other = {**NLI, "context": NLI["context"].replace("Tom is a pet.", "Tom is no pet."), "answer_choice": 1}
    third = {**NLI, "context": "premises: Tom sings. conclusion: Tom is a pet."}
    write(tmp_path, "folio/folio_train.jsonl", NLI, {**other, "answer_text": "contradiction"}, third)
    first, second, alone = read("logiglue", tmp_path)
    assert len({p.problem_id for p in (first, second, alone)}) == 3
    assert first.group_id == second.group_id != alone.group_id
    assert first.context.endswith("conclusion: Tom is a pet.")  # the text is kept


def test_a_conclusion_without_premises_is_a_group_of_its_own(tmp_path):
    rows = [{**NLI, "context": f"conclusion: Tom {does}."} for does in ("sings", "runs")]
    write(tmp_path, "folio/folio_train.jsonl", *rows)
    first, second = read("logiglue", tmp_path)
    assert first.group_id != second.group_id


DEFECTS = {
    "missing": (without(NLI, "answer_text"), "field 'answer_text': expected a text, found ['answer_choice',"),
    "no input": (
        without(NLI, "question", "input"),
        "field 'input': expected a text, found ['answer_choice',",
    ),
    "type": ({**NLI, "answer_text": True}, "field 'answer_text': expected a text, found True"),
    "choices": ({**NLI, "choices": "yes/no"}, "field 'choices': expected a list of texts, found 'yes/no'"),
    "choice": ({**NLI, "choices": ["yes", 0]}, "field 'choices': expected a list of texts without NUL"),
    "number": ({**NLI, "answer_choice": "A"}, "field 'answer_choice': expected a whole number, found 'A'"),
    "context": ({**NLI, "context": 5}, "field 'context': expected a text, found 5"),
    "not a choice": (
        {**NLI, "answer_text": "maybe"},
        "field 'answer_text': expected one of ['entailment', 'contradiction', 'neutral'], found 'maybe'",
    ),
    "contradiction": (
        {**NLI, "answer_choice": 2},
        "field 'answer_choice': expected 0, as 'entailment' says, found 2",
    ),
}


@pytest.mark.parametrize(("row", "told"), DEFECTS.values(), ids=DEFECTS.keys())
def test_defects_are_named_with_file_row_and_field(tmp_path, row, told):
    write(tmp_path, "folio/folio_test.jsonl", NLI, row)
    with pytest.raises(DataError) as caught:
        read("logiglue", tmp_path)
    assert str(caught.value).startswith(f"folio/folio_test.jsonl row 2 {told}")
    assert "\n" not in str(caught.value) and "Fix: " in str(caught.value)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (
            "logiqa/logiqa_test.jsonl",
            "logiqa/logiqa_test.jsonl field 'config': expected a folder named as one",
        ),
        ("folio_test.jsonl", "folio_test.jsonl field 'config': expected a folder named as one"),
        ("reclor/reclor_train.jsonl", "reclor/reclor_train.jsonl field 'config': expected a folder named as"),
        ("reclor/train/0.jsonl", "reclor/train/0.jsonl field 'config': expected a folder named as"),
    ],
)
def test_unknown_configs_and_train_files_of_held_out_ones_are_refused(tmp_path, place, told):
    write(tmp_path, place, NLI)
    with pytest.raises(DataError) as caught:
        read("logiglue", tmp_path)
    assert str(caught.value).startswith(told) and "\n" not in str(caught.value)


def test_a_folder_above_may_be_called_train(tmp_path):
    write(tmp_path, "training/reclor/reclor_test.jsonl", NLI)
    assert [p.rule for p in read("logiglue", tmp_path)] == ["reclor"]


@pytest.mark.shared_data
@present
def test_rows_in_the_shape_of_the_real_files():
    files = sorted(REAL.rglob("*.jsonl"))
    rows = [(file.parent.name, json.loads(line)) for file in files for line in file.read_text().splitlines()]
    problems = read("logiglue", REAL)
    assert len(problems) == len(rows) == 136
    for (config, row), problem in zip(rows, problems, strict=True):
        assert problem.rule == config
        assert (problem.context, problem.question) == (row["context"].strip(), row["question"].strip())
        assert problem.answer == row["answer_text"] and accepted(problem)
        if "choices" in row:
            assert problem.choices.index(problem.answer) == row["answer_choice"]
        else:
            assert problem.choices == []
    assert {p.category for p in problems if p.rule == "abduction_person"} == {"abductive"}
    premises = {row["context"].split("conclusion:")[0] for config, row in rows if config == "folio"}
    assert len({p.group_id for p in problems if p.rule == "folio"}) == len(premises)
    observed = [(row["context"], row["question"]) for _, row in rows]
    assert len({p.problem_id for p in problems}) == len(set(observed))
