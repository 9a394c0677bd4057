"""One's own table: every way to say what is where, and one clear line for each thing that can be wrong."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.raw_files import read, write
from tests.source import ROOT
from workflow.lib.answers import judge
from workflow.lib.config import load_schema, study_problems
from workflow.lib.datasets import raw
from workflow.lib.datasets.own_table import question, rows
from workflow.lib.datasets.registry import ADAPTERS
from workflow.lib.errors import DataError, IntegrityError
from workflow.lib.intake import kept_records
from workflow.lib.parquet import rows_of, write_parquet
from workflow.lib.records import Problem, schema_of, table

CSV = """Question,A,B,C,Answer,Story
What is red?,blood,grass,snow,A,s1
What is green?,blood,grass,,B,s1
"""
COLUMNS = {"question": "Question", "choices": ["A", "B", "C"], "answer": "Answer"}
CONSTANTS = {"category": "everyday", "rule": "colours"}
OPTIONS: dict[str, Any] = {"columns": COLUMNS, "constants": CONSTANTS, "answer_is": "letter"}
PLAIN: dict[str, Any] = {**OPTIONS, "columns": {"question": "q", "answer": "a"}, "answer_is": "text"}


def problems(folder: Path, options: dict[str, Any]) -> list[Any]:
    """Return the problems of the tables below ``folder``."""
    return list(read("table", folder, options))


def lines(folder: Path, *rows: object, **options: Any) -> list[Any]:
    """Return the problems of ``rows`` as JSON Lines."""
    write(folder, "own.jsonl", *rows)
    return problems(folder, {**PLAIN, **options})


# --- what can be said -------------------------------------------------------------------------------------


def test_a_csv_with_a_column_per_choice(tmp_path: Path) -> None:
    write(tmp_path, "own.csv", text=CSV)
    red, green = problems(tmp_path, OPTIONS)
    assert (red.question, red.choices, red.answer) == ("What is red?", ["blood", "grass", "snow"], "blood")
    assert (green.choices, green.answer) == (["blood", "grass"], "grass")
    assert (red.category, red.rule, red.context, red.verifier) == ("everyday", "colours", "", "gold")
    assert red.source == "own.csv row 1" and red.group_id != green.group_id


def test_groups_categories_and_contexts_from_columns(tmp_path: Path) -> None:
    rows = [
        {"q": "Who?", "a": "Ann", "c": "Ann came.", "s": 1, "k": "deductive", "r": "recall"},
        {"q": "Where?", "a": "here", "c": None, "s": 1, "k": "abductive", "r": "guess"},
        {"q": "When?", "a": "now", "c": " ", "s": 2, "k": "abductive", "r": "guess"},
    ]
    columns = {"question": "q", "answer": "a", "context": "c", "group": "s", "category": "k", "rule": "r"}
    write(tmp_path, "own.jsonl", *rows)
    first, second, third = problems(tmp_path, {"columns": columns, "answer_is": "text"})
    assert [p.context for p in (first, second, third)] == ["Ann came.", "", ""]
    assert first.group_id == second.group_id != third.group_id
    assert (first.category, first.rule, third.category, third.rule) == (
        "deductive",
        "recall",
        "abductive",
        "guess",
    )


def test_without_a_group_the_context_holds_rows_together(tmp_path: Path) -> None:
    columns = {"question": "q", "answer": "a", "context": "c"}
    rows = [
        {"q": q, "a": "x", "c": c} for q, c in (("1?", "same"), ("2?", "Same "), ("3?", "other"), ("3?", ""))
    ]
    first, second, third, fourth = lines(tmp_path, *rows, columns=columns)
    assert first.group_id == second.group_id
    assert len({first.group_id, third.group_id, fourth.group_id}) == 3


@pytest.mark.parametrize(
    ("answer_is", "answer"),
    [
        ("text", "Grass"),
        ("text", " grass. "),
        ("letter", "B"),
        ("letter", "(b)"),
        ("index_from_0", 1),
        ("index_from_0", "1"),
        ("index_from_1", 2),
    ],
)
def test_an_answer_by_text_letter_or_number(tmp_path: Path, answer_is: str, answer: object) -> None:
    columns = {"question": "q", "answer": "a", "choices": "o"}
    row = {"q": "What is green?", "a": answer, "o": ["blood", "grass"]}
    (found,) = lines(tmp_path, row, columns=columns, answer_is=answer_is)
    assert (found.answer, found.choices) == ("grass", ["blood", "grass"])


def test_choices_may_be_numbers(tmp_path: Path) -> None:
    columns = {"question": "q", "answer": "a", "choices": "o"}
    (found,) = lines(tmp_path, {"q": "2+2?", "a": 4, "o": [3, 4]}, columns=columns)
    assert (found.answer, found.choices) == ("4", ["3", "4"])


@pytest.mark.parametrize(
    ("written", "answer"),
    [(True, "yes"), (False, "no"), ("Yes", "yes"), ("FALSE", "no"), (1, "yes"), ("0", "no")],
)
def test_yes_and_no(tmp_path: Path, written: object, answer: str) -> None:
    (found,) = lines(tmp_path, {"q": "Is it?", "a": written}, answer_is="yes_no")
    assert (found.answer, found.choices) == (answer, ["yes", "no"])


def test_free_answers(tmp_path: Path) -> None:
    first, second = lines(tmp_path, {"q": "Capital?", "a": "Rome"}, {"q": "2+2?", "a": 4})
    assert (first.answer, second.answer, first.choices) == ("Rome", "4", [])


def test_our_scorer_accepts_every_gold_answer_and_no_other_choice(tmp_path: Path) -> None:
    write(tmp_path, "own.csv", text=CSV)
    for p in problems(tmp_path, OPTIONS):
        right = [
            c
            for c in p.choices
            if judge(
                f"The answer is {c}.", choices=p.choices, answer=p.answer, verifier="gold", instance=""
            ).right
        ]
        assert right == [p.answer]


def test_the_three_formats_make_the_same_problems(tmp_path: Path) -> None:
    header, *rows = [line.split(",") for line in CSV.strip().split("\n")]
    records = [dict(zip(header, row, strict=True)) for row in rows]
    write(tmp_path / "csv", "own.csv", text=CSV)
    write(tmp_path / "jsonl", "own.jsonl", *records)
    (tmp_path / "parquet").mkdir()
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "parquet/own.parquet")
    ids = [[p.problem_id for p in problems(tmp_path / kind, OPTIONS)] for kind in ("csv", "jsonl", "parquet")]
    assert ids[0] == ids[1] == ids[2] and len(ids[0]) == 2


# --- what can be wrong (FAULTS 29) ------------------------------------------------------------------------

CHOICES = {"question": "q", "answer": "a", "choices": "o"}
OWN = {"q": "What is green?", "a": "grass", "o": ["blood", "grass"]}
ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "answer not among the choices": (
        {**OWN, "a": "moss"},
        "own.jsonl row 2 field 'a': expected one of ['blood', 'grass'], found 'moss'. Fix: mend the row, or "
        "say in options.answer_is what the answers are; now 'text'",
    ),
    "null answer": ({**OWN, "a": None}, "row 2 field 'a': expected a text, found None"),
    "answer of another type": ({**OWN, "a": 0.5}, "row 2 field 'a': expected a text, found 0.5"),
    "answer of yes/no elsewhere": ({**OWN, "a": True}, "row 2 field 'a': expected a text, found True"),
    "question of another type": ({**OWN, "q": 7}, "row 2 field 'q': expected a text, found 7"),
    "empty question": ({**OWN, "q": " "}, "row 2 field 'q': expected a text with words, found ' '"),
    "one choice": ({**OWN, "o": ["grass"]}, "row 2 field 'choices': expected two choices or more"),
    "no choice": ({**OWN, "o": []}, "row 2 field 'o': expected a list that is not empty"),
    "a hole among the choices": ({**OWN, "o": ["", "grass"]}, "row 2 field 'choices': expected two choices"),
    "choices alike": (
        {**OWN, "o": ["grass", "Grass."]},
        "expected two choices or more that read differently",
    ),
    "choices in one text": (
        {**OWN, "o": "A|B"},
        "field 'o': expected a list, found 'A|B'. Fix: name a column per",
    ),
    "choice of another type": ({**OWN, "o": ["grass", None]}, "row 2 field 'o': expected a list of texts"),
    "missing key": (
        {"q": "x", "o": ["a", "b"]},
        "row 2 field 'options.columns.answer': expected a column of",
    ),
    "nul": ({**OWN, "q": "a\0b"}, "row 2 field 'q': expected a text without NUL"),
    "half a character": (
        {**OWN, "q": "a\ud83d"},
        "row 2 field 'q': expected a text without NUL or half a character",
    ),
    "half a choice": (
        {**OWN, "o": ["\udc00", "grass"]},
        "row 2 field 'o': expected a list of texts without NUL or half",
    ),
}


@pytest.mark.parametrize(("row", "told"), ROWS.values(), ids=ROWS.keys())
def test_a_bad_row_is_told_in_one_line_and_the_next_is_read(
    tmp_path: Path, row: dict[str, Any], told: str
) -> None:
    write(tmp_path, "own.jsonl", OWN, row, OWN)
    source = raw.Source(tmp_path, "d", "own", {**PLAIN, "columns": CHOICES}, None)
    first, second, third = rows(source)
    with pytest.raises(DataError) as caught:
        list(question(second, source))
    assert told in str(caught.value) and "\n" not in str(caught.value)
    str(caught.value).encode()  # a line that no log can hold would hide the defect
    assert [len(list(question(good, source))) for good in (first, third)] == [1, 1]


def test_a_renamed_column_stops_at_once_with_the_names_there_are(tmp_path: Path) -> None:
    write(tmp_path, "own.csv", text=CSV.replace("Answer", "Anwser"))
    with pytest.raises(DataError) as caught:
        next(rows(raw.Source(tmp_path, "d", "own", OPTIONS, None)))  # before any row is made a problem
    assert str(caught.value) == (
        "own.csv row 1 field 'options.columns.answer': expected a column of the file "
        "(A, Anwser, B, C, Question, Story), found 'Answer'. Fix: write 'Anwser'"
    )


def test_a_column_unlike_any_other_gets_no_guess(tmp_path: Path) -> None:
    write(tmp_path, "own.csv", text=CSV)
    columns = {**COLUMNS, "choices": ["A", "B", "choice_3"]}
    with pytest.raises(
        DataError, match=r"columns\.choices.*found 'choice_3'\. Fix: name the column that holds it"
    ):
        problems(tmp_path, {**OPTIONS, "columns": columns})


def test_a_file_on_bad_problems_is_no_table_but_marks_them(tmp_path: Path) -> None:
    write(tmp_path, "planted.jsonl", {"context": "", "question": "Who?", "planted": "ambiguous"})
    write(tmp_path, "own.jsonl", {"q": "Who?", "a": "Ann"}, {"q": "Where?", "a": "here"})
    assert [p.question for p in problems(tmp_path, PLAIN)] == ["Who?", "Where?"]
    source = raw.Source(tmp_path, "own", "mine", PLAIN, None)
    found = list(kept_records(source, ADAPTERS["table"], Counter()))
    assert [p.planted for p in found if isinstance(p, Problem)] == ["ambiguous", ""]


def test_columns_that_nobody_named_change_nothing(tmp_path: Path) -> None:
    write(tmp_path / "a", "own.csv", text=CSV)
    wider = "".join(f"{line},{n}\n" for n, line in enumerate(CSV.strip().split("\n")))
    write(tmp_path / "b", "own.csv", text=wider)
    assert problems(tmp_path / "a", OPTIONS) == problems(tmp_path / "b", OPTIONS)


def test_yes_no_has_its_own_choices(tmp_path: Path) -> None:
    write(tmp_path, "own.csv", text=CSV)
    with pytest.raises(DataError, match="'yes_no' has its own choices"):
        problems(tmp_path, {**OPTIONS, "answer_is": "yes_no"})


FILES: dict[str, tuple[str, bytes, type[Exception], str]] = {
    "empty CSV": ("own.csv", b"", DataError, "own.csv: no rows"),
    "CSV of a header": ("own.csv", b"q,a\n", DataError, "own.csv: no rows"),
    "empty JSON Lines": ("own.jsonl", b"\n \n", DataError, "own.jsonl: no rows"),
    "another ending": ("own.xlsx", b"PK", DataError, "no file ends in .jsonl, .csv, .parquet"),
    "CSV not UTF-8": ("own.csv", "q,a\nWär?,ja\n".encode("latin-1"), DataError, "own.csv: not UTF-8"),
    "CSV in UTF-16": ("own.csv", "q,a\nx,y\n".encode("utf-16"), DataError, "own.csv: not UTF-8"),
    "JSON Lines not UTF-8": ("own.jsonl", b'{"q": "\xff"}\n', DataError, "own.jsonl row 1: not UTF-8"),
    "NUL in CSV": ("own.csv", b"q,a\nx\0,y\n", DataError, "expected a text without NUL"),
    "short CSV row": ("own.csv", b"q,a\nx,y\nz\n", DataError, "own.csv row 2: expected 2 columns"),
    "long CSV row": ("own.csv", b"q,a\nx,y,z\n", DataError, "own.csv row 1: expected 2 columns"),
    "open quote": ("own.csv", b'q,a\n"x,y\n', DataError, "own.csv line 2: not CSV"),
    "column twice": ("own.csv", b"q,a,a\nx,y,z\n", DataError, "own.csv: columns ['a'] stand there twice"),
    "semicolons": ("own.csv", b"q;a\nx;y\n", DataError, "expected a column of the file (q;a), found 'q'"),
    "a list of rows": (
        "own.jsonl",
        b'[{"q": "x"}]\n',
        DataError,
        "own.jsonl row 1: expected a JSON object, found list",
    ),
    "half a line": ("own.jsonl", b'{"q": "x"\n', DataError, "own.jsonl row 1: not JSON"),
    "endless number": ("own.jsonl", b'{"q": ' + b"1" * 5000 + b"}\n", DataError, "own.jsonl row 1: not JSON"),
    "not Parquet": (
        "own.parquet",
        b"PAR1 and no more",
        IntegrityError,
        "own.parquet: not a whole Parquet file",
    ),
}


@pytest.mark.parametrize(("name", "content", "kind", "told"), FILES.values(), ids=FILES.keys())
def test_a_bad_file_is_told_in_one_line(
    tmp_path: Path, name: str, content: bytes, kind: type[Exception], told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(kind) as caught:
        problems(tmp_path, PLAIN)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_parquet_without_rows_and_with_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"q": pa.array([], pa.string()), "a": pa.array([], pa.string())}), tmp_path / "own.parquet"
    )
    with pytest.raises(DataError, match=r"own\.parquet: no rows"):
        problems(tmp_path, PLAIN)
    spoilt = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"], pa.binary()).buffers())
    pq.write_table(pa.table({"q": spoilt, "a": ["x"]}), tmp_path / "own.parquet")
    with pytest.raises(DataError, match=r"own\.parquet: not UTF-8 after row 0"):
        problems(tmp_path, PLAIN)


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("\ufeffq,a\nx?,y\n".encode())
    (tmp_path / "b.jsonl").write_bytes("\ufeff".encode() + b'{"q": "x?", "a": "y"}\n')
    first, second = problems(tmp_path, PLAIN)
    assert (first.question, first.answer) == (second.question, second.answer) == ("x?", "y")


def test_quotes_may_hold_lines_commas_and_quotes(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_bytes(b'q,a\r\n"one,\ntwo ""three""",y\r\n\r\nplain,z\r\n')
    first, second = problems(tmp_path, PLAIN)
    assert first.question == 'one,\ntwo "three"'
    assert (second.question, second.source) == ("plain", "own.csv row 2")


# --- odd characters (FAULTS 28) ---------------------------------------------------------------------------

ODD = {
    "line separator": "one\u2028two\u2029three",
    "next line": "one\x85two",
    "vertical tab and form feed": "one\x0btwo\x0cthree\x1cfour",
    "right to left": "\u202bשלום\u202c",
    "emoji": "👩‍🔬 and 🇪🇺",
    "beyond the first plane": "𝔸 𐍈",
    "as long as a CSV cell may be": "x" * 131_072,
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("name", ["own.jsonl", "raw.jsonl", "own.csv", "own.parquet"])
def test_odd_characters_come_through_unchanged(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / "in" / name
    path.parent.mkdir()
    if name == "own.parquet":
        pq.write_table(pa.table({"q": [text], "a": ["y"]}), path)
    elif name == "own.csv":
        path.write_bytes(f'q,a\n"{text}",y\n'.encode())
    else:
        line = json.dumps({"q": text, "a": "y"}, ensure_ascii=name == "own.jsonl")
        path.write_bytes(line.encode() + b"\n")
    (found,) = problems(tmp_path / "in", PLAIN)
    assert found.question == text
    write_parquet(tmp_path / "out.parquet", table([found], Problem))
    assert rows_of(tmp_path / "out.parquet", schema_of(Problem))[0]["question"] == text


def test_a_megabyte_in_one_line_comes_through(tmp_path: Path) -> None:
    text = "word " * 199_999 + "end"
    (found,) = lines(tmp_path, {"q": text, "a": "y"})
    assert found.question == text


def test_a_cell_too_long_for_csv_is_told(tmp_path: Path) -> None:
    write(tmp_path, "own.csv", text=f"q,a\n{'x' * 140_000},y\n")
    with pytest.raises(DataError, match=r"own\.csv line 2: not CSV: field larger than field limit"):
        problems(tmp_path, PLAIN)


def test_a_text_over_the_limit_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"field 'q': expected a text without NUL .* of at most 1000000 characters"
    ):
        lines(tmp_path, {"q": "x" * 1_000_001, "a": "y"})


def test_a_whole_surrogate_pair_is_a_character(tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_bytes(rb'{"q": "\ud83d\ude00", "a": "y"}')
    (found,) = problems(tmp_path, PLAIN)
    assert found.question == "😀"


# --- the config -------------------------------------------------------------------------------------------


def config_problems(tmp_path: Path, options: dict[str, Any]) -> list[str]:
    """Return what is wrong with the demo's config when one of its sources is a table with ``options``."""
    study = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    source = {
        "name": "own",
        "kind": "local",
        "adapter": "table",
        "into": "all",
        "path": ".",
        "files": ["*.csv"],
    }
    study["datasets"]["logic"]["sources"] = [{**source, "options": options}]
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    schema = load_schema(ROOT / "config/schemas/config.schema.yaml")
    return [p for p in study_problems(study, schema, [path], ROOT) if "sources" in p]


def without(key: str, *keys: str) -> dict[str, Any]:
    """Return the options without the key at this place."""
    options = json.loads(json.dumps(OPTIONS))
    place = options
    for name in keys:
        place = place[name]
    del place[key]
    return dict(options)


CONFIGS = {
    "no question": (without("question", "columns"), "options.columns: key 'question' is missing"),
    "no answer_is": (without("answer_is"), "options: key 'answer_is' is missing"),
    "no category": (without("category", "constants"), "options.constants: key 'category' is missing"),
    "no rule": (without("rule", "constants"), "options.constants: key 'rule' is missing"),
    "neither": (without("constants"), "options: key 'constants' is missing"),
    "letters of nothing": (without("choices", "columns"), "options.columns: key 'choices' is missing"),
    "unknown key": ({**OPTIONS, "answers": 1}, "options.answers: not a known key"),
    "unknown column": (
        {**OPTIONS, "columns": {**COLUMNS, "hint": "Hint"}},
        "options.columns.hint: not a known key",
    ),
    "one choice": (
        {**OPTIONS, "columns": {**COLUMNS, "choices": ["A"]}},
        "options.columns.choices: found ['A']",
    ),
    "other answers": ({**OPTIONS, "answer_is": "index"}, "options.answer_is: expected one of text, letter,"),
}


@pytest.mark.parametrize(("options", "told"), CONFIGS.values(), ids=CONFIGS.keys())
def test_the_schema_tells_what_the_options_lack(tmp_path: Path, options: dict[str, Any], told: str) -> None:
    found = config_problems(tmp_path, options)
    assert any(told in line for line in found), found


def test_the_schema_takes_what_is_whole(tmp_path: Path) -> None:
    both = {"columns": {**COLUMNS, "category": "k", "rule": "r"}, "answer_is": "letter"}
    assert config_problems(tmp_path, OPTIONS) == config_problems(tmp_path, both) == []


# --- the page that shows how ------------------------------------------------------------------------------


def shown(language: str) -> str:
    """Return the only block in ``language`` on the page about extending."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs/extending.md").read_text(), re.DOTALL)
    return str(block)


def test_the_table_on_the_page_is_read_with_the_config_on_the_page(tmp_path: Path) -> None:
    dataset = yaml.safe_load(shown("yaml"))["riddles"]
    schema = load_schema(ROOT / "config/schemas/config.schema.yaml")
    jsonschema.validate(dataset, {**schema["$defs"]["dataset"], "$defs": schema["$defs"]})
    write(tmp_path, "mine.csv", text=shown("csv"))
    first, second = problems(tmp_path, dataset["sources"][0]["options"])
    assert (first.question, first.choices, first.answer) == ("Who was first?", ["Ann", "Bob"], "Ann")
    assert (second.context, second.choices, second.answer) == (
        "Cy is older than Dee.",
        ["Cy", "Dee", "neither"],
        "Dee",
    )


def test_the_adapter_on_the_page_works() -> None:
    names: dict[str, Any] = {}
    exec(compile(shown("python"), "extending.md", "exec"), names)
    source = raw.Source(Path(), "d", "own", {}, None)
    fields = {"ask": "Who was first?", "options": ["Ann", "Bob"], "key": 1}
    (found,) = names["riddle"](raw.Row("r", fields), source)
    assert (found.question, found.answer) == ("Who was first?", "Bob")
    (left_out,) = names["riddle"](raw.Row("r", {**fields, "options": ["Ann"]}), source)
    assert left_out == raw.Skipped("r", "fewer than two options")
    with pytest.raises(DataError, match="field 'key'"):
        list(names["riddle"](raw.Row("r", {**fields, "key": 2}), source))
