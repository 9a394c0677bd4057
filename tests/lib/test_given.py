"""Pairs and passages that a dataset brings along: what is asked, taken and left out."""

from dataclasses import replace

import pytest

from tests.lib.test_pairing import MANY, completions, pairs
from workflow.lib.given import ask_pairs, ask_passages, pair_steps, questions, teaches_nothing
from workflow.lib.pairing import pair_rows, prompt_rows, sft_rows
from workflow.lib.records import GivenPair, Passage, Problem

PAIR = GivenPair("r1", "q1", "so", "preference", "site", "How?", "Good.", "Bad.", "url, author", "f:1")
TEXT = Passage("t1", "g1", "imdb", "sentiment", "imdb", "A fine film it is.", "A fine", "positive", "f:1")


def render(problem: Problem) -> str:
    return f"{problem.context}[{problem.question}]"


def test_a_question_gives_pairs_completions_and_one_prompt() -> None:
    rows = [
        replace(PAIR, problem_id="r2", chosen="Good.", rejected="Worse."),
        replace(PAIR, problem_id="r1", chosen="Best. ", rejected=" Good."),
        replace(PAIR, problem_id="r3", group_id="q2", question="Why?"),
    ]
    asked = ask_pairs(rows, "dev", render, MANY)
    assert [pairs(a) for a in asked] == [[("Best.", "Good."), ("Good.", "Worse.")], [("Good.", "Bad.")]]
    assert [completions(a) for a in asked] == [["Best.", "Good."], ["Good."]]
    made = pair_rows(asked, "none")
    # every row keeps the id of the pair that it is from: the licence asks to credit its authors
    assert [(r.row_id, r.problem_id, r.group_id, r.prompt) for r in made] == [
        ("r1/pair/0", "r1", "q1", "[How?]"),
        ("r2/pair/1", "r2", "q1", "[How?]"),
        ("r3/pair/0", "r3", "q2", "[Why?]"),
    ]
    assert [(r.row_id, r.problem_id) for r in sft_rows(asked)] == [
        ("r1/sft/0", "r1"),
        ("r2/sft/1", "r2"),
        ("r3/sft/0", "r3"),
    ]
    prompts = prompt_rows(asked)
    assert [(r.row_id, r.split, r.verifier, r.answer, r.choices) for r in prompts] == [
        ("r1/prompt/0", "dev", "", None, []),
        ("r3/prompt/0", "dev", "", None, []),
    ]
    assert {r.category for r in prompts} == {"preference"}


def test_an_edited_question_is_another_prompt() -> None:
    rows = [PAIR, replace(PAIR, problem_id="r2", question="How so?")]
    assert [[p.problem_id for p in group] for group in questions(rows)] == [["r1"], ["r2"]]


def test_caps_are_per_question() -> None:
    rows = [replace(PAIR, problem_id=f"r{i}", rejected=f"Bad {i}.") for i in range(5)]
    (asked,) = ask_pairs(rows, "train", render, replace(MANY, max_pairs=2, max_sft=1))
    assert (len(asked.pairs), completions(asked)) == (2, ["Good."])
    assert (asked.good, asked.distinct_good, len(asked.options)) == (5, 1, 5)


BROKEN = {
    "chosen is empty": ([replace(PAIR, chosen=" \n")], "a side is empty", ["r1"]),
    "rejected is empty": ([replace(PAIR, rejected="")], "a side is empty", ["r1"]),
    "both are empty": ([replace(PAIR, chosen="", rejected=" ")], "a side is empty", ["r1"]),
    "the same but for its spacing": (
        [replace(PAIR, rejected="Good. ")],
        "both sides are the same text",
        ["r1"],
    ),
    "both orders": (
        [PAIR, replace(PAIR, problem_id="r2", chosen="Bad.", rejected="Good.")],
        "the same two answers stand in both orders",
        ["r1", "r2"],
    ),
}


@pytest.mark.parametrize(("rows", "reason", "ids"), BROKEN.values(), ids=BROKEN.keys())
def test_what_teaches_nothing_is_named_once(rows: list[GivenPair], reason: str, ids: list[str]) -> None:
    sound = replace(PAIR, problem_id="r9", question="Where?", chosen="Bad.", rejected="Good.")
    found = teaches_nothing([*rows, sound])
    assert found[reason] == ids
    assert sum(map(len, found.values())) == len(ids)
    assert [a.problem.problem_id for a in ask_pairs([*rows, sound], "train", render, MANY)] == ["r9"]


def test_steps_go_from_all_pairs_to_those_that_teach() -> None:
    steps = pair_steps(9, {"a side is empty": ["a"], "both sides are the same text": ["b", "c"]})
    assert [(s["rows_in"], s["rows_out"], s["reason"]) for s in steps] == [
        (9, 8, "a side is empty"),
        (8, 6, "both sides are the same text"),
    ]


def test_a_passage_is_continued() -> None:
    whole = replace(TEXT, problem_id="t0", prompt="A fine film it is.")
    short, long = ask_passages([TEXT, whole], "train", render, MANY)
    assert (completions(long), long.text, long.pairs) == (["film it is."], "[A fine]", [])
    assert (completions(short), short.text) == ([], "[A fine film it is.]")  # nothing follows
    cut = replace(TEXT, prompt="A fine fi")  # a token may end within a word
    after_space = replace(TEXT, prompt="A fine ")
    within, after = (
        ask_passages([cut], "train", render, MANY),
        ask_passages([after_space], "train", render, MANY),
    )
    assert (completions(within[0]), completions(after[0])) == ([], ["film it is."])
    assert [r.row_id for r in prompt_rows(within)] == ["t1/prompt/0"]
    (blank,) = ask_passages([replace(TEXT, text="A fine  ", prompt="A fine ")], "train", render, MANY)
    assert completions(blank) == []
    assert [r.row_id for r in sft_rows([short, long])] == ["t1/sft/0"]
    assert [r.row_id for r in prompt_rows([short, long])] == ["t0/prompt/0", "t1/prompt/0"]
