"""Traces of models that think aloud: where a thought ends, what its answer is, and every published shape."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.raw_files import SHARED, read, write
from workflow.lib.answers import final_answer, last_answer
from workflow.lib.datasets.raw import Skipped
from workflow.lib.errors import DataError
from workflow.lib.records import Trace
from workflow.lib.traces import Thought, boxed, split_thought

FIXTURES = SHARED / "synthetic_schema_fixtures"
with_fixtures = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the fixtures in ../shared/data")

# Every form in r1_think_tag_edge_cases.jsonl: text → thought, completion, whether it is whole, answer.
EDGES: dict[str, tuple[str, str, bool, str | None]] = {
    "<think>a</think>Answer: yes": ("a", "Answer: yes", True, "yes"),
    "no closing tag <think>a Answer: yes": ("no closing tag\n\na Answer: yes", "", False, None),
    "a</think>\nAnswer: no": ("a", "Answer: no", True, "no"),
    "<think></think>Answer: Yes.": ("", "Answer: Yes.", True, "Yes"),
    "<think>a</think><think>b</think>The answer is **No**": ("a\n\nb", "The answer is **No**", True, "No"),
    "<think>truncated": ("truncated", "", False, None),
}
FORMS: dict[str, tuple[str, Thought]] = {
    "no thought": ("Answer: yes", Thought("", "Answer: yes", complete=True)),
    "nothing": ("", Thought("", "", complete=True)),
    "words between the blocks": (
        "<think>a</think>b<think>c</think> d",
        Thought("a\n\nb\n\nc", "d", complete=True),
    ),
    "second block cut": (
        "<think>a</think>Answer: yes<think>b",
        Thought("a\n\nAnswer: yes\n\nb", "", complete=False),
    ),
    "thought and no word after it": ("<think>a</think>\n", Thought("a", "", complete=True)),
    "other tags": (
        "<|begin_of_thought|>\n\nx is A.\n\n<|end_of_thought|>\n\n"
        "<|begin_of_solution|>\n\nYes.\n\n<|end_of_solution|>",
        Thought("x is A.", "Yes.", complete=True),
    ),
    "other tags, solution cut": (
        "<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>Ye",
        Thought("a", "Ye", complete=False),
    ),
    "other tags, thought cut": ("<|begin_of_thought|>a", Thought("a", "", complete=False)),
    "text is kept as it is": (
        "<think>a\n\n  b</think> c\u2028d",
        Thought("a\n\n  b", "c\u2028d", complete=True),
    ),
}
BOXES: list[tuple[str, str | None]] = [
    (r"The answer is \boxed{4}.", "4"),
    (r"$\boxed{\frac{1}{2}}$", r"\frac{1}{2}"),
    (r"\boxed{1} and then \boxed {2}", "2"),
    (r"\boxed{\boxed{3}}", "3"),
    (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
    (r"the set {a, {b} and \boxed{5", None),
    (r"\boxed{6} or \boxed{7", "6"),
    (r"a } too many, \boxed{8}", "8"),
    (r"\boxed{ }", None),
    (r"\boxed 9", None),
    ("no box", None),
]


@pytest.mark.parametrize(("text", "expected"), EDGES.items(), ids=EDGES)
def test_edges_of_a_thought(text: str, expected: tuple[str, str, bool, str | None]) -> None:
    found = split_thought(text)
    assert (found.thought, found.completion, found.complete, final_answer(found.completion)) == expected


@pytest.mark.parametrize(("text", "expected"), FORMS.values(), ids=FORMS.keys())
def test_forms_of_a_thought(text: str, expected: Thought) -> None:
    assert split_thought(text) == expected


@pytest.mark.parametrize(("text", "expected"), BOXES)
def test_the_last_whole_box_counts(text: str, expected: str | None) -> None:
    assert boxed(text) == expected


def test_boxes_that_never_close_take_no_longer_than_the_text() -> None:
    assert boxed(r"\boxed{" * 200_000) is None  # were it quadratic, the test would time out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"<think>\boxed{1}</think> It is \boxed{2}.", "2"),
        (r"<think>\boxed{1}</think> The answer is 2.", "2"),
        (r"<think>The answer is 1.</think> It is 2.", None),
        (r"Answer: \boxed{(B)}", "(B)"),
    ],
)
def test_final_answer_looks_outside_of_the_thought(text: str, expected: str | None) -> None:
    assert final_answer(text) == expected


def test_a_thought_that_never_closes_may_still_state_an_answer_in_samples() -> None:
    assert last_answer("<think>So it is. The answer is yes.") == "yes"


def traces(folder: Path, *rows: object) -> list[Any]:
    """Return what the adapter makes of ``rows``."""
    write(folder, "a.jsonl", *rows)
    return read("r1_traces", folder)


OPENR1: dict[str, Any] = {
    "problem": "What is 2+2?",
    "solution": "2+2=4",
    "answer": "4",
    "problem_type": "Algebra",
    "generations": ["<think>It is 4.</think> \\boxed{4}", "<think>5?</think> \\boxed{5}", "<think>Hm"],
    "correctness_math_verify": [True, False, False],
    "finish_reasons": ["stop", "length", "length"],
    "messages": [{"role": "user", "content": "not read: generations are"}],
}


def test_a_trace_per_generation(tmp_path: Path) -> None:
    found = traces(tmp_path, OPENR1)
    assert [(t.thought, t.completion, t.parsed, t.verdict, t.complete) for t in found] == [
        ("It is 4.", "\\boxed{4}", "4", "right", True),
        ("5?", "\\boxed{5}", "5", "wrong", False),  # the dataset says that it was cut
        ("Hm", "", None, "wrong", False),
    ]
    assert {(t.question, t.answer, t.rule, t.category) for t in found} == {
        ("What is 2+2?", "4", "Algebra", "trace")
    }
    assert len({t.group_id for t in found}) == 1 and len({t.problem_id for t in found}) == 3
    assert [t.source for t in found] == [f"a.jsonl row 1 generation {n}" for n in (1, 2, 3)]


def test_what_openr1_does_not_say_is_unknown(tmp_path: Path) -> None:
    first, *others = traces(tmp_path, {**OPENR1, "correctness_math_verify": None, "finish_reasons": None})
    assert (first.verdict, first.complete) == ("unknown", True)
    assert [t.complete for t in others] == [True, False]  # the last has an open thought


def test_nothing_generated_is_counted(tmp_path: Path) -> None:
    found = traces(tmp_path, {**OPENR1, "generations": ["", "Answer: 4", " "]})
    reason = "nothing was generated"
    assert found[0] == Skipped("a.jsonl row 1 generation 1", reason)
    assert (found[1].completion, found[2].reason) == ("Answer: 4", reason)
    empty = {"generations": [], "correctness_math_verify": [], "finish_reasons": []}
    assert traces(tmp_path, {**OPENR1, **empty}) == [Skipped("a.jsonl row 1", reason)]


def test_a_thought_without_an_answer_is_not_complete(tmp_path: Path) -> None:
    (found,) = traces(tmp_path, {"prompt": "q", "completion": "<think>a</think>\n"})
    assert (found.thought, found.completion, found.complete) == ("a", "", False)


TURNS = [{"from": "human", "value": "Is x B?"}, {"from": "gpt", "value": "<think>x is A.</think>Answer: yes"}]
SHAPES: dict[str, dict[str, Any]] = {
    "conversations": {"system": "Think.", "conversations": TURNS},
    "messages": {
        "messages": [
            {"role": "system", "content": ""},
            {"role": "user", "content": "Is x B?"},
            {"role": "assistant", "content": "<think>x is A.</think>Answer: yes"},
        ]
    },
    "parts": {"problem": "Is x B?", "deepseek_reasoning": "x is A.", "deepseek_solution": "Answer: yes"},
    "prompt": {"prompt": "Is x B?", "completion": "x is A.</think>Answer: yes"},
    "response": {"question": "Is x B?", "response": "<think>x is A.</think>Answer: yes"},
    "rationale": {"question": "Is x B?", "rationale": "<think>x is A.</think>Answer: yes", "messages": None},
}


@pytest.mark.parametrize("row", SHAPES.values(), ids=SHAPES.keys())
def test_the_same_trace_in_every_shape(tmp_path: Path, row: dict[str, Any]) -> None:
    (found,) = traces(tmp_path, row)
    assert (found.question, found.thought, found.completion) == ("Is x B?", "x is A.", "Answer: yes")
    assert (found.parsed, found.answer, found.verdict, found.complete) == ("yes", None, "unknown", True)


@pytest.mark.parametrize(
    ("about", "gold"),
    [
        ({"answer": "yes", "solution": "no: \\boxed{no}"}, "yes"),
        ({"solution": "So \\boxed{x + \\frac{1}{2}}."}, "x + \\frac{1}{2}"),
        ({"ground_truth_solution": "The answer is 12."}, "12"),
        ({"ground_truth_solution": "def f(): pass"}, None),
        ({"ground_truth_solution": None}, None),
        ({"answer": None, "solution": None}, None),
    ],
)
def test_gold_is_the_answer_or_what_the_solution_states(
    tmp_path: Path, about: dict[str, Any], gold: str | None
) -> None:
    (found,) = traces(tmp_path, {**SHAPES["parts"], **about})
    assert found.answer == gold


@pytest.mark.parametrize(("correct", "verdict"), [(True, "right"), (False, "wrong"), (None, "unknown")])
def test_the_verdict_is_the_datasets_own(tmp_path: Path, correct: bool | None, verdict: str) -> None:
    (found,) = traces(tmp_path, {**SHAPES["messages"], "answer": "no", "correct": correct})
    assert (found.verdict, found.answer, found.parsed) == (verdict, "no", "yes")


@pytest.mark.parametrize(
    "turns", [TURNS[:1], [*TURNS, *TURNS], TURNS[::-1], [TURNS[0], {"from": "gpt", "value": " "}]]
)
def test_more_or_less_than_one_exchange_is_counted(tmp_path: Path, turns: list[dict[str, str]]) -> None:
    assert traces(tmp_path, {"conversations": turns}) == [
        Skipped("a.jsonl row 1", "not one question and one answer")
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"question": "q", "answer": "a"}, "expected one of the columns generations, deepseek_solution, "),
        (
            {"completion": "a"},
            "field 'problem': expected one of the columns problem, prompt, question, found",
        ),
        (
            {"conversations": [{"from": "tool", "value": "a"}]},
            "row 1 turn 1 field 'from': expected 'user' or",
        ),
        ({"messages": [{"role": "user"}]}, "row 1 turn 1 field 'content': expected a text, found ['role']"),
        (
            {**OPENR1, "finish_reasons": ["stop"]},
            "field 'finish_reasons': expected 3 values, one per generation",
        ),
        (
            {**OPENR1, "correctness_math_verify": ["yes", 1, 0]},
            "generation 1 field 'correctness_math_verify': expected True or",
        ),
        ({**OPENR1, "generations": "text"}, "field 'generations': expected a list of texts, found 'text'"),
    ],
)
def test_a_row_of_another_shape_is_told(tmp_path: Path, row: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError) as caught:
        traces(tmp_path, row)
    assert str(caught.value).startswith("a.jsonl row 1") and told in str(caught.value)


@pytest.mark.shared_data
@with_fixtures
def test_every_edge_of_the_fixture_is_expected_by_hand(tmp_path: Path) -> None:
    text = (FIXTURES / "r1_think_tag_edge_cases.jsonl").read_text()
    completions = [json.loads(line)["completion"] for line in text.splitlines()]
    assert set(completions) == set(EDGES)
    write(tmp_path, "a.jsonl", text=text)
    found = [t for t in read("r1_traces", tmp_path) if isinstance(t, Trace)]
    assert [t.parsed for t in found] == ["yes", None, "no", "Yes", "No", None]
    assert [t.complete for t in found] == [True, False, True, True, True, False]


@pytest.mark.shared_data
@with_fixtures
def test_the_published_shapes_of_the_fixtures(tmp_path: Path) -> None:
    for name in ("r1_openr1_style.jsonl", "r1_openthoughts_style.jsonl"):
        write(tmp_path, name, text=(FIXTURES / name).read_text())
    right, wrong, thought = (t for t in read("r1_traces", tmp_path) if isinstance(t, Trace))
    assert (right.parsed, right.answer, right.verdict) == ("4", "4", "right")
    assert (wrong.parsed, wrong.answer, wrong.verdict) == ("5", "4", "wrong")
    assert (thought.thought, thought.completion) == ("x is A. All A are B. So x is B.", "Yes.")
    assert thought.complete and thought.parsed is None and thought.verdict == "unknown"
