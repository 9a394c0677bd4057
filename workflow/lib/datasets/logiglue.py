"""LogiGLUE (Luo et al., arXiv 2310.00836): 24 configs, one folder of JSON Lines each.

``folio/folio_train.jsonl``: ``{"id_": 205, "context": "premises: … conclusion: …", "question": "Is the …?",
"choices": ["entailment", …], "answer_choice": 0, "answer_text": "entailment", "input": "Context: …"}``.
Columns differ by config: ``choices`` may lack or be ``[""]`` (the answer is then free text), ``id_`` repeats,
and a row without ``context`` or ``question``, or with a ``hypothesis`` apart, is asked by its ``input``.
"""

import re
from collections.abc import Iterator, Mapping

from workflow.lib.answers import plain, read_alike
from workflow.lib.datasets.raw import READERS, Row, Skipped, Source
from workflow.lib.errors import DataError, problem
from workflow.lib.records import Problem, group_id, problem_id


def _by_config(table: Mapping[str, str]) -> dict[str, str]:
    return {config: category for category, configs in table.items() for config in configs.split()}


TRAINED = _by_config(
    {  # configs with a train and a test file, by reasoning type
        "deductive": "anli folio logicNLI proofwriter rulebert",
        "abductive": "abduction_animal adv alpha_nli",
        "inductive": "cluttr",
        "mixed": "logiQA",
    }
)
HELD_OUT = _by_config(
    {  # configs with a test file only
        "deductive": "Rulebert-Union-Rules babi_task_15 bigbench_deduction birdelectricity natlang prontoqa"
        " wanli winologic",
        "abductive": "abduction_person bigbench-logical-Args",
        "inductive": "babi_task_16 cluttr_systematic",
        "mixed": "logiQA_2.0 reclor",
    }
)
CATEGORIES = TRAINED | HELD_OUT
COUNTED_FROM_ONE = {"alpha_nli"}  # its ``answer_choice`` calls the first choice 1; all others call it 0
CONTEXT_LABEL = re.compile(r"^context:\s*", re.IGNORECASE)
CONCLUSION = re.compile(r"\b(?:conclusion|hypothesis):", re.IGNORECASE)


def rows(source: Source) -> Iterator[Row]:
    """Yield the rows of every JSON Lines and Parquet file; a folder above the file names its config."""
    for path in sorted(path for path in source.folder.rglob("*") if path.suffix in (".jsonl", ".parquet")):
        place = path.relative_to(source.folder)
        config = next((folder for folder in reversed(place.parts[:-1]) if folder in CATEGORIES), "")
        held_out_train = config in HELD_OUT and "train" in place.as_posix().rpartition(f"{config}/")[2]
        if not config or held_out_train:
            expected = f"a folder named as one of {sorted(TRAINED if held_out_train else CATEGORIES)}"
            fix = "leave the file out of 'files', or name its folder as LogiGLUE does"
            raise DataError(problem(place.as_posix(), "config", expected=expected, found=config, fix=fix))
        for row in READERS[path.suffix](path, source.folder):
            yield Row(row.where, {**row.fields, "config": config})


def question(row: Row, source: Source) -> Iterator[Problem | Skipped]:
    """Yield the problem of one row; its group is the context without the conclusion that is asked about."""
    config = row.text("config")
    offered = [" ".join(choice.split()) for choice in row.texts("choices")] if _filled(row, "choices") else []
    choices = [choice for choice in offered if choice]
    if read_alike(choices):
        yield Skipped(row.where, "two choices read the same")
        return
    context = CONTEXT_LABEL.sub("", row.text("context")) if _filled(row, "context") else ""
    whole = context and _filled(row, "question") and not _filled(row, "hypothesis")
    about = (context, row.text("question")) if whole else ("", row.text("input"))
    answer = " ".join(row.text("answer_text").split())
    yield Problem(
        problem_id=problem_id(source.dataset, *about, *choices),
        group_id=group_id(source.dataset, CONCLUSION.split(context)[0].strip() or context or about[1]),
        dataset=source.dataset,
        category=CATEGORIES[config],
        rule=config,
        context=about[0],
        question=about[1],
        choices=choices,
        answer=_choice(row, offered, answer) if choices else answer,
        verifier="gold",
        instance="",
        planted="",
        source=row.where,
    )


def _filled(row: Row, name: str) -> bool:
    return name in row.fields and row.fields[name] not in (None, "", [])


def _choice(row: Row, offered: list[str], answer: str) -> str:
    places = [place for place, choice in enumerate(offered) if plain(choice) == plain(answer)]
    fix = "mend or drop the row"
    if not places:
        expected = f"one of {offered}"
        raise DataError(problem(row.where, "answer_text", expected=expected, found=answer, fix=fix))
    number = places[0] + (row.text("config") in COUNTED_FROM_ONE)
    if _filled(row, "answer_choice") and row.whole("answer_choice") != number:
        expected, found = f"{number}, as '{answer}' says", row.fields["answer_choice"]
        raise DataError(problem(row.where, "answer_choice", expected=expected, found=found, fix=fix))
    return offered[places[0]]
