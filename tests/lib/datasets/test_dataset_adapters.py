"""Dataset adapters: rows in the real formats, and one clear line for each defect."""

import json
from pathlib import Path

import pytest

from workflow.lib.datasets.registry import ADAPTERS
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
PIQA = {"goal": "ice box", "sol1": "add water", "sol2": "add soda"}
PUZZLE = {
    "generator": "ordering",
    "question": "Order Ann and Bob. Ann is before Bob.",
    "answer": "Ann, Bob",
    "metadata": {"names": ["Ann", "Bob"], "before": [["Ann", "Bob"]]},
}


def write(folder: Path, name: str, *rows: object, text: str | None = None) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row) for row in rows) if text is None else text)


def test_logicbench(tmp_path):
    write(tmp_path, "modus_tollens/data_instances.json", BQA)
    problems = list(ADAPTERS["logicbench_bqa"](tmp_path, "d"))
    assert [(p.question, p.answer) for p in problems] == [
        ("Does it rain?", "no"),
        ("Is it dry outside?", "yes"),
    ]
    assert {p.category for p in problems} == {"propositional"} and {p.rule for p in problems} == {
        "modus_tollens"
    }
    assert len({p.problem_id for p in problems}) == 2 and len({p.group_id for p in problems}) == 1
    assert problems[1].source == "modus_tollens/data_instances.json row 1 question 2"


def test_logicbench_aug_has_other_names(tmp_path):
    aug = {"type": "non_monotonic_logic", "axiom": "constructive_dillema", "data_samples": BQA["samples"]}
    write(tmp_path, "x/data_instances.json", aug)
    problem = next(ADAPTERS["logicbench_bqa"](tmp_path, "d"))
    assert (problem.category, problem.rule) == ("non_monotonic", "constructive_dilemma")


def test_piqa(tmp_path):
    write(tmp_path, "valid.jsonl", PIQA, {**PIQA, "goal": "dresser"})
    write(tmp_path, "valid-labels.lst", text="1\n0\n")
    write(tmp_path, "tests.jsonl", PIQA)  # without labels: left out
    problems = list(ADAPTERS["piqa"](tmp_path, "d"))
    assert [(p.question, p.answer) for p in problems] == [("ice box", "add soda"), ("dresser", "add water")]
    assert problems[0].choices == ["add water", "add soda"]


def test_puzzle(tmp_path):
    write(tmp_path, "ordering.jsonl", PUZZLE)
    (problem,) = ADAPTERS["puzzle"](tmp_path, "d")
    assert problem.verifier == "ordering" and json.loads(problem.instance) == PUZZLE["metadata"]


def spoilt(field: str, value: object) -> dict:
    row = json.loads(json.dumps(BQA))
    row["samples"][0]["qa_pairs"][0][field] = value
    return row


DEFECTS = {
    "answer": (
        spoilt("answer", "maybe"),
        "data_instances.json row 1 question 1 field 'answer': expected 'yes' or 'no', found 'maybe'",
    ),
    "empty": (spoilt("question", " "), "field 'question': expected a text with words, found ' '"),
    "type": (spoilt("question", 7), "field 'question': expected a text, found 7"),
    "nul": (spoilt("question", "a\0b"), "expected a text without NUL"),
    "family": (
        {**BQA, "type": "modal_logic"},
        "data_instances.json field 'type': expected 'propositional_logic'",
    ),
    "missing": (
        {"type": "nm_logic", "axiom": "x"},
        "field 'data_samples': expected a list, found ['axiom', 'type']",
    ),
}


@pytest.mark.parametrize(("content", "told"), DEFECTS.values(), ids=DEFECTS.keys())
def test_defects_are_named_with_file_row_and_field(tmp_path, content, told):
    write(tmp_path, "data_instances.json", content)
    with pytest.raises(DataError) as caught:
        list(ADAPTERS["logicbench_bqa"](tmp_path, "d"))
    assert told in str(caught.value)


def test_bytes_that_are_not_utf8_are_named(tmp_path):
    (tmp_path / "data_instances.json").write_bytes(b'{"type": "\xff"}')
    with pytest.raises(DataError, match=r"data_instances\.json: not UTF-8"):
        list(ADAPTERS["logicbench_bqa"](tmp_path, "d"))


@pytest.mark.parametrize(
    ("labels", "told"), [("1\n", "expected 2, found 1"), ("1\n2\n", "expected 0 or 1, found '2'")]
)
def test_piqa_labels_must_fit(tmp_path, labels, told):
    write(tmp_path, "valid.jsonl", PIQA, PIQA)
    write(tmp_path, "valid-labels.lst", text=labels)
    with pytest.raises(DataError, match=told):
        list(ADAPTERS["piqa"](tmp_path, "d"))
