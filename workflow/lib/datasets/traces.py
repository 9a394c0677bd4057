"""Answers of models that think aloud, as DeepSeek-R1, in the shapes in which such sets are published.

``{"problem": …, "answer": "4", "generations": ["<think>…</think> …", …], "correctness_math_verify": [true,
…]}`` (OpenR1: a trace per generation); ``{"conversations": [{"from": "user", "value": …}, …]}`` or
``{"messages": [{"role": "user", "content": …}, …]}`` (OpenThoughts); ``{"problem": …, "deepseek_reasoning":
…, "deepseek_solution": …, "ground_truth_solution": …}`` (its metadata); ``{"question": …, "response": …}``.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from workflow.lib.answers import final_answer
from workflow.lib.datasets.raw import Row, Skipped, Source
from workflow.lib.errors import DataError, problem
from workflow.lib.records import Trace, group_id, problem_id
from workflow.lib.traces import Thought, split_thought

QUESTIONS = ("problem", "prompt", "question")
TURNS = ("conversations", "messages")
TEXTS = ("completion", "response", "rationale")
REFERENCES = ("ground_truth_solution", "solution")  # worked solutions, which state the answer
KINDS = ("problem_type", "domain")
RIGHT = "correctness_math_verify"  # of each generation
SPEAKERS = {"user": "user", "human": "user", "assistant": "model", "gpt": "model", "system": "system"}
VERDICTS = {True: "right", False: "wrong", None: "unknown"}


def traces(row: Row, source: Source) -> Iterator[Trace | Skipped]:
    """Yield a trace per text of a model in one row."""
    shape = row.first_of(("generations", "deepseek_solution", *TURNS, *TEXTS))
    if shape == "generations":
        yield from _generations(row, source)
    elif shape == "deepseek_solution":
        found = Thought(row.text("deepseek_reasoning"), row.text(shape), complete=True)
        yield _trace(row, source, _question(row), found)
    else:
        said = _turns(row, shape) if shape in TURNS else [_question(row), row.text(shape)]
        if len(said) == 2:
            yield _trace(row, source, said[0], split_thought(said[1]))
        else:
            yield Skipped(row.where, "not one question and one answer")


def _generations(row: Row, source: Source) -> Iterator[Trace | Skipped]:
    texts = row.texts("generations")
    if not texts:
        yield Skipped(row.where, "nothing was generated")
        return
    rights = _beside(row, RIGHT, len(texts))
    reasons = _beside(row, "finish_reasons", len(texts))
    for number, text in enumerate(texts):
        where = f"{row.where} generation {number + 1}"
        right = Row(where, {RIGHT: rights[number]}).one_of(RIGHT, list(VERDICTS))
        if text:
            found = split_thought(text)
            whole = found.complete and reasons[number] in ("stop", None)
            generation = Row(where, {**row.fields, "correct": right})
            yield _trace(generation, source, _question(row), replace(found, complete=whole))
        else:
            yield Skipped(where, "nothing was generated")


def _turns(row: Row, name: str) -> list[str]:
    turns: list[tuple[str, str]] = []
    for turn in row.parts(name, "turn"):
        speaker, text = ("from", "value") if "from" in turn.fields else ("role", "content")
        turns.append((SPEAKERS[turn.one_of(speaker, list(SPEAKERS))], turn.text_or_empty(text)))
    spoken = [(speaker, text) for speaker, text in turns if speaker != "system" and text]
    return [text for _, text in spoken] if [speaker for speaker, _ in spoken] == ["user", "model"] else []


def _trace(row: Row, source: Source, question: str, found: Thought) -> Trace:
    texts = (question, found.thought, found.completion)
    return Trace(
        problem_id=problem_id(source.dataset, *texts),
        group_id=group_id(source.dataset, question),
        dataset=source.dataset,
        category="trace",
        rule=next((row.text_or_empty(name) for name in KINDS if row.has(name)), ""),
        question=question,
        thought=found.thought,
        completion=found.completion,
        answer=_gold(row),
        parsed=final_answer(found.completion),
        verdict=VERDICTS[row.one_of("correct", list(VERDICTS)) if row.has("correct") else None],
        complete=found.complete and bool(found.completion),
        source=row.where,
    )


def _gold(row: Row) -> str | None:
    if row.has("answer"):
        return row.text("answer")
    worked = next((row.text_or_empty(name) for name in REFERENCES if row.has(name)), "")
    return final_answer(worked)


def _question(row: Row) -> str:
    return row.text(row.first_of(QUESTIONS))


def _beside(row: Row, name: str, count: int) -> list[Any]:
    values = row.items(name) if row.has(name) else [None] * count
    if len(values) != count:
        expected, fix = f"{count} values, one per generation", "mend or drop the row"
        raise DataError(problem(row.where, name, expected=expected, found=values, fix=fix))
    return values
