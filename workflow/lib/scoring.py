"""Between the harness and our records: rows that a task reads, gates on its prompts, a record per answer."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from lm_eval.api.model import TemplateLM
from lm_eval.api.task import ConfigurableTask
from transformers import PreTrainedTokenizerBase

from workflow.lib.answers import Judgement, judge_all
from workflow.lib.chat import render, token_ids
from workflow.lib.errors import DataError, IntegrityError
from workflow.lib.harness import Task
from workflow.lib.prompts import PromptFile
from workflow.lib.records import Problem, Sample, table

UNFOUND = "[invalid]"  # what a filter of the harness finds where there is no answer
TOLERANCE = 1e-9  # between the harness's score of a problem and the mean of our records


@dataclass(frozen=True)
class Prompts:
    """The prompts of a task by problem: the user turn, and the text that the model sees."""

    user: dict[str, str]
    seen: dict[str, str]


def documents(problems: Sequence[Problem], prompt: PromptFile) -> pa.Table:
    """Return the rows that a task reads: every column of ``Problem``, the prompt, and gold's position."""
    rows = table(problems, Problem)
    labels = [p.choices.index(p.answer) if p.answer in p.choices else -1 for p in problems]
    rows = rows.append_column("label", pa.array(labels, pa.int64()))
    return rows.append_column("prompt", pa.array([prompt.render(p) for p in problems], pa.string()))


def prompts_of(
    task: ConfigurableTask, tokenizer: PreTrainedTokenizerBase, problems: Sequence[Problem], *, chat: bool
) -> Prompts:
    """Return the prompts as training would render them, to be compared with what the harness renders.

    Raises:
        IntegrityError: The task does not ask exactly ``problems``, in their order.
    """
    asked = [doc["problem_id"] for doc in task.eval_docs]
    if asked != [p.problem_id for p in problems]:
        raise IntegrityError(f"task: expected the {len(problems)} problems in order, found {len(asked)}")
    user = {doc["problem_id"]: task.fewshot_context(doc, num_fewshot=0) for doc in task.eval_docs}
    return Prompts(user, {key: render(tokenizer, text) if chat else text for key, text in user.items()})


def check_tokens(lm: TemplateLM, prompts: Prompts, *, chat: bool) -> dict[str, Any]:
    """Fail unless the harness cuts every prompt into training's tokens with at most one BOS.

    Returns:
        Probes: number of BOS in a prompt, and tokens of the longest prompt.
    """
    longest = 0
    marks = set()
    for key, text in prompts.seen.items():
        ids = lm.tok_encode(text)
        if chat and ids != token_ids(lm.tokenizer, text):
            raise DataError(f"problem {key}: the harness cuts the prompt into other tokens than training")
        marks.add(ids.count(lm.tokenizer.bos_token_id))
        longest = max(longest, len(ids))
    if len(marks) != 1 or (max(marks) > 1 and lm.tokenizer.bos_token_id != lm.tokenizer.eos_token_id):
        raise DataError(f"prompts: expected one BOS at most and the same number in each, found {marks}")
    return {"bos": max(marks), "longest_prompt": longest}


def count_cut(
    lm: TemplateLM, task: Task, built: ConfigurableTask, prompts: Prompts, room: int, reads: int
) -> int:
    """Return how many problems the harness cuts from the left because too little is read at once.

    Args:
        lm: The model.
        task: What is asked.
        built: The same as the harness has it.
        prompts: Of the problems.
        room: Tokens of the longest answer, where answers are generated.
        reads: Tokens of prompt and answer that are read.

    Raises:
        DataError: An option alone is longer than that.
    """
    cut = 0
    for doc in built.eval_docs:
        length = len(lm.tok_encode(prompts.seen[doc["problem_id"]]))
        if not task.generates:
            room = max(len(lm.tok_encode(c, add_special_tokens=False)) for c in built.doc_to_choice(doc))
            if room >= reads:
                raise DataError(
                    f"problem {doc['problem_id']}: an option of {room} tokens, but the model reads "
                    f"{reads - 1}. Fix: take a model with a longer context."
                )
        cut += length + room > reads
    return cut


def answers_of(entry: Mapping[str, Any], task: Task) -> list[tuple[str, Judgement, list[float]]]:
    """Return each answer in an entry of the harness's log: its text, what it is, and the options' scores."""
    doc = entry["doc"]
    if not task.generates:
        scores = [float(option[0][0]) for option in entry["resps"]]
        text = doc["choices"][scores.index(max(scores))]
        return [(text, Judgement(text, text == doc["answer"]), scores)]
    texts = entry["resps"][0]
    if task.official is None:
        return [(text, judged, []) for text, judged in zip(texts, judge_all(texts, doc), strict=True)]
    found = entry["filtered_resps"][0]
    return [(texts[0], Judgement(None if found == UNFOUND else found, bool(entry[right_of(task)])), [])]


def right_of(task: Task) -> str:
    """Return the name under which the harness logs whether an answer is right."""
    return task.official.metric if task.official else "accuracy" if task.generates else "acc"


def sample_of(
    entry: Mapping[str, Any],
    answer: tuple[str, Judgement, list[float]],
    repeat: int,
    prompts: Prompts,
    lm: TemplateLM,
    about: Mapping[str, str],
) -> Sample:
    """Return the record of one answer in the harness's log, without its method and seed."""
    doc, (text, judged, scores) = entry["doc"], answer
    seen = prompts.seen[doc["problem_id"]]
    return Sample(
        dataset=about["dataset"],
        model=about["model"],
        method="",
        seed=0,
        task=about["task"],
        problem_id=doc["problem_id"],
        group_id=doc["group_id"],
        category=doc["category"],
        rule=doc["rule"],
        repeat=repeat,
        prompt=prompts.user[doc["problem_id"]],
        prompt_sha256=hashlib.sha256(seen.encode()).hexdigest(),
        text=text,
        parsed=judged.parsed,
        answer=doc["answer"],
        score=float(judged.right),
        tokens=len(lm.tok_encode(text, add_special_tokens=False)),
        loglikelihoods=scores,
    )


def samples_of(
    logged: Sequence[Mapping[str, Any]],
    prompts: Prompts,
    lm: TemplateLM,
    task: Task,
    about: Mapping[str, str],
) -> list[Sample]:
    """Return the records of a run, in the order of the problems, after comparing them with the harness.

    Raises:
        IntegrityError: The harness showed the model another prompt than training would, asked fewer or
            more problems than there are, or scored one differently.
    """
    found = []
    right = right_of(task)
    counted = [e for e in logged if task.official is None or e["filter"] == task.official.filter]
    for entry in counted:
        key = entry["doc"]["problem_id"]
        if any(arguments[0] != prompts.seen[key] for arguments in entry["arguments"]):
            raise IntegrityError(f"problem {key}: the harness rendered another prompt than training does")
        rows = [
            sample_of(entry, answer, repeat, prompts, lm, about)
            for repeat, answer in enumerate(answers_of(entry, task))
        ]
        mean = sum(row.score for row in rows) / len(rows)
        if entry["doc"]["verifier"] and abs(mean - float(entry[right])) > TOLERANCE:
            raise IntegrityError(
                f"problem {key}: scored {entry[right]} by the harness, {mean} by our records"
            )
        found += rows
    asked = [entry["doc"]["problem_id"] for entry in counted]
    if asked != list(prompts.seen):
        raise IntegrityError(
            f"task '{about['task']}': expected {len(prompts.seen)} problems, found {len(asked)}"
        )
    return found
