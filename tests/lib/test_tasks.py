"""The arithmetic of the tasks' own metrics."""

from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.random_adapters import HARDWARE, goal_problems
from workflow.lib.datasets.logiglue import CATEGORIES
from workflow.lib.errors import DataError
from workflow.lib.harness import build, language_model, on_rows, read_task, run
from workflow.lib.models import load_base, load_tokenizer
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Problem
from workflow.lib.scoring import documents, prompts_of, samples_of

TASKS = Path(__file__).parents[2] / "workflow/tasks"


def functions_of(folder: str) -> ModuleType:
    spec = spec_from_file_location(f"{folder}_utils", TASKS / folder / "utils.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asked(answer: str) -> dict[str, Any]:
    return {"choices": ["yes", "no"], "answer": answer, "verifier": "gold", "instance": ""}


def test_logicbench_metrics_of_one_problem() -> None:
    texts = ["The answer is no.", "The answer is yes.", "Perhaps.", "So the answer is No."]
    found = functions_of("logicbench").process_results(asked("no"), [texts])
    # Right: first and last of four; unreadable: one of four.
    assert found == {"accuracy": 0.5, "accuracy_no": 0.5, "balanced": ("no", 0.5), "unparsed": 0.25}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        # yes: (1 + 0) / 2 = 0.5; no: (1 + 1 + 1 + 0) / 4 = 0.75; balanced (0.5 + 0.75) / 2.
        ([("yes", 1), ("yes", 0), ("no", 1), ("no", 1), ("no", 1), ("no", 0)], 0.625),
        # Always "no" is right on 8 of 10, and balanced 0.5.
        ([("yes", 0)] * 2 + [("no", 1)] * 8, 0.5),
        ([("no", 1), ("no", 0)], 0.5),
    ],
    ids=["both", "always no", "one answer only"],
)
def test_balanced_is_the_mean_over_the_gold_answers(items: list[tuple[str, float]], expected: float) -> None:
    assert functions_of("logicbench").balanced(items) == pytest.approx(expected)


def test_a_puzzle_is_decided_by_its_verifier() -> None:
    instance = '{"names": ["Ann", "Bob", "Cy"], "before": [["Ann", "Bob"]]}'
    doc = {"choices": [], "answer": None, "verifier": "ordering", "instance": instance}
    texts = [
        "The answer is Ann, Bob, Cy.",
        "The answer is Cy, Ann, Bob.",
        "The answer is Bob, Ann, Cy.",
        "None.",
    ]
    # Two orders keep Ann before Bob, one does not, one cannot be read.
    assert functions_of("puzzlebench").process_results(doc, [texts]) == {"accuracy": 0.5, "unparsed": 0.25}


def test_mcqa_counts_an_option_once_over_all_and_once_for_its_logic() -> None:
    doc = {"choices": ["It rains.", "It snows."], "answer": "It snows.", "verifier": "gold", "instance": ""}
    texts = ["<think>The answer is (A).</think> The answer is (B).", "The answer is It rains."]
    # The letter behind the thought is right, the words are another option: one of two.
    assert functions_of("logicbench_mcqa").process_results(doc | {"category": "first_order"}, [texts]) == {
        "accuracy": 0.5,
        "accuracy_first_order": 0.5,
        "unparsed": 0.0,
    }


def test_logiglue_by_reasoning_type_and_set() -> None:
    doc = {"choices": [], "answer": "Winona is in the park", "verifier": "gold", "instance": ""}
    found = functions_of("logiglue").process_results(
        doc | {"category": "inductive", "rule": "babi_task_16"}, [["The answer is winona is in the park."]]
    )
    assert found == {
        "accuracy": 1.0,
        "accuracy_inductive": 1.0,
        "accuracy_babi_task_16": 1.0,
        "mean_of_sets": ("babi_task_16", 1.0),
        "unparsed": 0.0,
    }
    # Sets: a (1 + 0 + 0 + 0) / 4, b 1: their mean is 0.625, that of the rows 0.4.
    items = [("a", 1.0), ("a", 0.0), ("a", 0.0), ("a", 0.0), ("b", 1.0)]
    assert functions_of("logiglue").mean_of_sets(items) == 0.625


def test_logiglue_names_every_set_and_type() -> None:
    named = [
        metric["metric"] for metric in read_task(TASKS / "logiglue/logiglue.yaml", 8).config["metric_list"]
    ]
    expected = {f"accuracy_{name}" for name in (*CATEGORIES, *CATEGORIES.values())}
    assert len(CATEGORIES) == 24
    assert {name for name in named if name.startswith("accuracy_")} == expected
    assert len(named) == len(set(named)) == 24 + 4 + 3


def asked_of_the_harness(question: str, context: str, choices: list[str], answer: str) -> Problem:
    (plain,) = goal_problems([("", "", "", 0)])
    return replace(plain, question=question, context=context, choices=choices, answer=answer)


NLI = ["contradiction", "entailment", "neutral"]
BUILT_IN = {
    "anli/anli_r2": (
        asked_of_the_harness("Ann is in Rome.", "Ann is in Italy.", NLI, "neutral"),
        "Ann is in Italy.\nQuestion: Ann is in Rome. True, False, or Neither?\nAnswer:",
        "Neither",
    ),
    "logiqa2/logiqa2": (
        asked_of_the_harness("Which?", "All A are B.", ["no A", "some B", "all B", "no B"], "some B"),
        "Passage: All A are B.\nQuestion: Which?\nA. no A\nB. some B\nC. all B\nD. no B\nAnswer:",
        1,
    ),
    "babi/babi": (
        asked_of_the_harness("Where is Mary?", "Mary went to the hall.", [], "hall"),
        "Passage: Mary went to the hall.\nQuestion: Where is Mary?\nAnswer:",
        " hall",
    ),
    "bbh/bbh_zeroshot_boolean_expressions": (
        asked_of_the_harness("not ( True ) is", "", [], "False"),
        "Evaluate the result of a random Boolean expression.\n\nQ: not ( True ) is\nA:",
        "False",
    ),
    "bbh/bbh_zeroshot_navigate": (
        asked_of_the_harness("Turn left. Options:\n- Yes\n- No", "", [], "No"),
        "Given a series of navigation instructions, determine whether one would end up back at the starting "
        "point.\n\nQ: Turn left. Options:\n- Yes\n- No\nA:",
        "No",
    ),
}


@pytest.mark.parametrize("definition", BUILT_IN)
def test_built_in_tasks_ask_our_rows_in_the_harness_words(definition: str, tmp_path: Path) -> None:
    problem, prompt, target = BUILT_IN[definition]
    (tmp_path / "p.j2").write_text("{{ question }}")
    task = read_task(TASKS / f"{definition}.yaml", 4)
    built = build(on_rows(task, documents([problem], PromptFile(tmp_path / "p.j2")), tmp_path))
    (doc,) = built.eval_docs
    assert built.fewshot_context(doc, num_fewshot=0) == prompt
    assert built.doc_to_target(doc) == target


def test_anli_knows_three_answers() -> None:
    row = {"context": "c", "question": "q", "answer": "maybe", "source": "anli.jsonl row 3"}
    with pytest.raises(DataError, match=r"anli\.jsonl row 3 field 'answer': .*'neutral'.*found 'maybe'"):
        functions_of("anli").premise_and_hypothesis(row)


@pytest.mark.parametrize("definition", ["anli/anli_r2", "babi/babi", "bbh/bbh_zeroshot_boolean_expressions"])
def test_built_in_tasks_give_records_with_the_harness_scores(
    definition: str, tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = [replace(BUILT_IN[definition][0], problem_id=f"p{i}", question=f"{i}?") for i in range(3)]
    (tmp_path / "p.j2").write_text("{{ question }}")
    tokenizer = load_tokenizer(tiny_llama)
    lm = language_model(load_base(tiny_llama, HARDWARE), tokenizer, chat=False, batch=4)
    task = read_task(TASKS / f"{definition}.yaml", 4)
    built = build(on_rows(task, documents(problems, PromptFile(tmp_path / "p.j2")), tmp_path))
    prompts = prompts_of(built, tokenizer, problems, chat=False)
    answer = {"anli/anli_r2": None, "babi/babi": " hall", "bbh/bbh_zeroshot_boolean_expressions": "so False."}
    if answer[definition] is not None:  # random weights are never right
        monkeypatch.setattr(lm, "generate_until", lambda requests: [answer[definition], "hm", "hm"])
    result, logged = run(lm, built, chat=False, seed=1)
    about = {"dataset": "d", "model": "tiny", "task": "t"}
    samples = samples_of(logged, prompts, lm, task, about)
    assert [s.problem_id for s in samples] == ["p0", "p1", "p2"]
    scores = result["results"][task.name]
    if task.generates:
        assert [s.score for s in samples] == [1.0, 0.0, 0.0]
        assert scores[f"exact_match,{task.official.filter}"] == pytest.approx(1 / 3)
        assert [s.parsed for s in samples] == {
            "babi/babi": [" hall", "hm", "hm"],
            "bbh/bbh_zeroshot_boolean_expressions": ["False", None, None],
        }[definition]
    else:
        assert all(len(s.loglikelihoods) == 3 and s.parsed in NLI for s in samples)
        assert scores["acc,none"] == pytest.approx(sum(s.score for s in samples) / 3)
