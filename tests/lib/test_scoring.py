"""The border between the harness and our records: every disagreement is an error, every answer a record."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.random_adapters import HARDWARE, goal_problems, yes_no_problems
from workflow.lib.errors import DataError, IntegrityError
from workflow.lib.harness import Task, build, language_model, on_rows, read_task
from workflow.lib.models import load_base, load_tokenizer
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Problem
from workflow.lib.scoring import Prompts, check_tokens, count_cut, documents, prompts_of, samples_of

TASKS = Path(__file__).parents[2] / "workflow/tasks"
ABOUT = {"dataset": "logic", "model": "tiny", "task": "asked"}
GENERATES = Task("t", {"output_type": "generate_until"}, True)
CHOOSES = Task("t", {"output_type": "multiple_choice"}, True)
LM = SimpleNamespace(tok_encode=lambda text, add_special_tokens: text.split())  # words are tokens here


def entry(problem: Problem, texts: list[str], **metrics: float) -> dict[str, Any]:
    doc = vars(problem)
    return {"doc": doc, "arguments": [(f"<{problem.problem_id}>", {})], "resps": [texts], **metrics}


def prompts_for(problems: list[Problem]) -> Prompts:
    keys = [p.problem_id for p in problems]
    return Prompts(dict.fromkeys(keys, "turn"), {key: f"<{key}>" for key in keys})


def test_documents_carry_the_prompt_and_the_position_of_gold(tmp_path: Path) -> None:
    (tmp_path / "p.j2").write_text("{{ context }} {{ question }}")
    problems = [
        *goal_problems([("g", "a", "b", 1)]),
        replace(goal_problems([("h", "a", "b", 0)])[0], answer=None),
    ]
    rows = documents(problems, PromptFile(tmp_path / "p.j2")).to_pylist()
    assert [(row["prompt"], row["label"]) for row in rows] == [("g", 1), ("h", -1)]


def test_every_repeat_is_a_record(tmp_path: Path) -> None:
    problem = yes_no_problems(1)[0]  # gold is yes
    logged = [entry(problem, ["so the answer is yes.", "The answer is no.", "who knows"], accuracy=1 / 3)]
    found = samples_of(logged, prompts_for([problem]), LM, GENERATES, ABOUT)
    assert [(r.repeat, r.parsed, r.score, r.tokens) for r in found] == [
        (0, "yes", 1.0, 5),
        (1, "no", 0.0, 4),
        (2, None, 0.0, 2),
    ]
    assert {(r.task, r.method, r.answer, r.prompt) for r in found} == {("asked", "", "yes", "turn")}


def test_an_answer_within_a_thought_is_none(tmp_path: Path) -> None:
    problem = yes_no_problems(1)[0]  # gold is yes
    texts = [
        "<think>The answer is no. Wait, it rains.</think>\nThe answer is yes.",
        "I think: the answer is no.</think> The answer is yes.",  # the template has opened the thought
        "<think>The answer is yes.</think> Hm.",
    ]
    found = samples_of([entry(problem, texts, accuracy=2 / 3)], prompts_for([problem]), LM, GENERATES, ABOUT)
    assert [(r.parsed, r.score) for r in found] == [("yes", 1.0), ("yes", 1.0), (None, 0.0)]
    assert [r.text for r in found] == texts


def test_log_likelihoods_choose_the_most_probable_option() -> None:
    problem = goal_problems([("g", "left", "right side", 1)])[0]
    logged = [entry(problem, [], acc=1.0) | {"resps": [[(-4.5, False)], [(-3.25, True)]]}]
    (found,) = samples_of(logged, prompts_for([problem]), LM, CHOOSES, ABOUT)
    assert (found.loglikelihoods, found.text, found.parsed, found.score) == (
        [-4.5, -3.25],
        "right side",
        "right side",
        1.0,
    )


def test_another_score_than_the_harness_gave_fails() -> None:
    problem = yes_no_problems(1)[0]
    with pytest.raises(IntegrityError, match=r"p000: scored 0\.0 by the harness, 1\.0 by our records"):
        samples_of(
            [entry(problem, ["The answer is yes."], accuracy=0.0)],
            prompts_for([problem]),
            LM,
            GENERATES,
            ABOUT,
        )


def test_another_prompt_than_training_renders_fails() -> None:
    problem = yes_no_problems(1)[0]
    prompts = replace(prompts_for([problem]), seen={problem.problem_id: "<s><p000>"})
    with pytest.raises(IntegrityError, match="p000: the harness rendered another prompt"):
        samples_of([entry(problem, ["The answer is yes."], accuracy=1.0)], prompts, LM, GENERATES, ABOUT)


def test_what_is_cut_is_what_does_not_fit() -> None:
    prompts = Prompts({}, {"p0": "a b c", "p1": "a b c d"})
    built = SimpleNamespace(
        eval_docs=[{"problem_id": "p0"}, {"problem_id": "p1"}], doc_to_choice=lambda doc: ["x", "x y"]
    )
    lm = SimpleNamespace(tok_encode=lambda text, add_special_tokens=False: text.split())
    # Answers of at most two tokens: 3 + 2 fit into five, 4 + 2 do not; so does the longer option.
    assert count_cut(lm, GENERATES, built, prompts, 2, 5) == 1
    assert count_cut(lm, CHOOSES, built, prompts, 0, 5) == 1
    assert count_cut(lm, GENERATES, built, prompts, 2, 6) == 0
    assert count_cut(lm, CHOOSES, built, prompts, 0, 3) == 2
    with pytest.raises(DataError, match="problem p0: an option of 2 tokens, but the model reads 1"):
        count_cut(lm, CHOOSES, built, prompts, 0, 2)


def test_a_limit_left_on_fails() -> None:
    problems = yes_no_problems(3)
    logged = [entry(p, [f"The answer is {p.answer}."], accuracy=1.0) for p in problems[:2]]
    with pytest.raises(IntegrityError, match="task 'asked': expected 3 problems, found 2"):
        samples_of(logged, prompts_for(problems), LM, GENERATES, ABOUT)


def test_a_task_that_drops_problems_fails(tmp_path: Path, tiny_llama: Path) -> None:
    (tmp_path / "p.j2").write_text("{{ question }}")
    problems = yes_no_problems(4)
    rows = documents(problems[:3], PromptFile(tmp_path / "p.j2"))
    task = build(on_rows(read_task(TASKS / "logicbench/logicbench_bqa.yaml", 8), rows, tmp_path))
    with pytest.raises(IntegrityError, match="expected the 4 problems in order, found 3"):
        prompts_of(task, load_tokenizer(tiny_llama), problems, chat=True)


def test_other_tokens_than_in_training_fail(tiny_llama: Path) -> None:
    lm = language_model(load_base(tiny_llama, HARDWARE), load_tokenizer(tiny_llama), chat=True, batch=2)
    prompts = Prompts({"p": "hi"}, {"p": "<|user|>hi<|end|><|assistant|>"})
    assert check_tokens(lm, prompts, chat=True) == {"bos": 0, "longest_prompt": 5}  # 3 marks + 2 bytes
    encode = lm.tok_encode
    lm.tok_encode = lambda text: [5, *encode(text)]
    with pytest.raises(DataError, match="problem p: the harness cuts the prompt into other tokens"):
        check_tokens(lm, prompts, chat=True)


def test_a_second_bos_fails(tiny_llama: Path) -> None:
    tokenizer = load_tokenizer(tiny_llama)
    tokenizer.bos_token = "<|user|>"
    lm = language_model(load_base(tiny_llama, HARDWARE), tokenizer, chat=True, batch=2)
    with pytest.raises(DataError, match="expected one BOS at most"):
        check_tokens(lm, Prompts({"p": "hi"}, {"p": "<|user|><|user|>hi<|end|><|assistant|>"}), chat=True)
