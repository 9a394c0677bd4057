"""A table of one's own in CSV, JSON Lines or Parquet, whose columns the config names.

``Frage,A,B,Antwort`` and ``What is red?,blood,grass,A`` are read with the options ``answer_is: letter``,
``columns: {question: Frage, choices: [A, B], answer: Antwort}``, ``constants: {category: daily, rule: x}``.
"""

import difflib
import string
from collections.abc import Iterator, Mapping, Sequence

from workflow.lib.answers import plain, read_alike
from workflow.lib.datasets.raw import Row, Source, table_rows
from workflow.lib.errors import DataError, problem, shorten
from workflow.lib.records import Problem, group_id, problem_id

Columns = Mapping[str, str | Sequence[str]]  # what a column holds → its name; ``choices`` may have several
LETTERS = string.ascii_uppercase
YES_NO = {"yes": 0, "true": 0, "1": 0, "no": 1, "false": 1, "0": 1}


def rows(source: Source) -> Iterator[Row]:
    """Yield the rows of every table; a column that even the first row lacks stops everything."""
    columns = source.options["columns"]
    if source.options["answer_is"] == "yes_no" and "choices" in columns:
        raise DataError(f"source '{source.name}': 'yes_no' has its own choices. Fix: drop columns.choices.")
    for number, row in enumerate(table_rows(source.folder)):
        if number == 0:
            _check_columns(row, columns)
        yield row


def question(row: Row, source: Source) -> Iterator[Problem]:
    """Yield the problem of one row."""
    columns, answer_is = source.options["columns"], source.options["answer_is"]
    _check_columns(row, columns)
    # A choice, an answer or a story's number may be a number in the file; a question is none.
    cells = Row(row.where, {k: str(v) if type(v) is int else v for k, v in row.fields.items()})
    asked = row.text(columns["question"])
    context = row.text_or_empty(columns["context"]) if "context" in columns else ""
    told = {"group": context or asked, **source.options.get("constants", {})}
    told |= {name: cells.text(columns[name]) for name in ("group", "category", "rule") if name in columns}
    choices = ["yes", "no"] if answer_is == "yes_no" else _choices(cells, columns)
    yield Problem(
        problem_id=problem_id(source.dataset, context, asked, *choices),
        group_id=group_id(source.dataset, told["group"]),
        dataset=source.dataset,
        category=told["category"],
        rule=told["rule"],
        context=context,
        question=asked,
        choices=choices,
        answer=_answer(cells, columns["answer"], choices, answer_is),
        verifier="gold",
        instance="",
        planted="",
        source=row.where,
    )


def _choices(row: Row, columns: Columns) -> list[str]:
    if "choices" not in columns:
        return []
    named = columns["choices"]
    if not isinstance(named, str):
        choices = [row.text_or_empty(column) for column in named]
    elif isinstance(row.fields[named], str):
        fix = "name a column per choice, as choices: [A, B]"
        raise DataError(problem(row.where, named, expected="a list", found=row.fields[named], fix=fix))
    else:
        texts = [str(item) if type(item) is int else item for item in row.items(named)]
        choices = Row(row.where, {named: texts}).texts(named)
    while choices and not choices[-1]:
        choices.pop()  # some questions have fewer choices than there are columns
    if len(choices) < 2 or not all(choices) or read_alike(choices):
        expected, fix = "two choices or more that read differently", "mend or drop the row"
        raise DataError(problem(row.where, "choices", expected=expected, found=choices, fix=fix))
    return choices


def _answer(row: Row, column: str, choices: Sequence[str], answer_is: str) -> str:
    value = row.fields[column]
    answer = str(value) if answer_is == "yes_no" and isinstance(value, bool) else row.text(column)
    if not choices:
        return answer
    numbers = range(len(choices))
    names = {
        "text": {choice: n for n, choice in enumerate(choices)},
        "letter": dict(zip(LETTERS, numbers, strict=False)),
        "index_from_0": {str(n): n for n in numbers},
        "index_from_1": {str(n + 1): n for n in numbers},
        "yes_no": YES_NO,
    }[answer_is]
    places = {plain(name): place for name, place in names.items()}
    if plain(answer) not in places:
        expected = f"one of {shorten(list(names))}"
        fix = f"mend the row, or say in options.answer_is what the answers are; now '{answer_is}'"
        raise DataError(problem(row.where, column, expected=expected, found=value, fix=fix))
    return choices[places[plain(answer)]]


def _check_columns(row: Row, columns: Columns) -> None:
    for what, named in columns.items():
        for column in [named] if isinstance(named, str) else named:
            if column not in row.fields:
                known = sorted(row.fields)
                near = difflib.get_close_matches(column, known, n=1)
                expected = f"a column of the file ({', '.join(known)})"
                fix = f"write '{near[0]}'" if near else "name the column that holds it"
                field = f"options.columns.{what}"
                raise DataError(problem(row.where, field, expected=expected, found=column, fix=fix))
