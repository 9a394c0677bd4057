"""A dataset on the page: every cell from its card, foreign text as text, long parts to open."""

from pathlib import Path
from typing import Any

import pytest

from tests.report_inputs import EVIL
from tests.scripts.test_render_report import Page
from workflow.lib.dataset_views import MOST_VALUES, DatasetView, dataset_views
from workflow.lib.report import render
from workflow.lib.wording import LONGEST_TEXT

TEMPLATES = Path(__file__).parents[2] / "workflow/report"


def card(text: str = "as it is", **changes: Any) -> dict[str, Any]:
    """Return the card of a dataset, every foreign text of it ``text``."""
    baseline = {
        "name": "always no",
        "looks_at": text,
        "accuracy": 0.654321,
        "low": 0.6,
        "high": 0.7,
        "n": 1500,
    }
    baseline |= {"chance": 0.5, "majority": 0.68, "groups": 500, "interval": "95% cluster bootstrap"}
    train = {"rows": 12345, "groups": 4000, "category": {text: 12345}, "answer": 150, "position": {"1": 9}}
    test = {"rows": 1500, "groups": 500, "category": {text: 1400, "": 100}, "answer": {"no": 980, "yes": 520}}
    problem = {"problem_id": "p1", "category": "first_order", "rule": text, "context": text, "question": text}
    problem |= {"choices": [text, "no"], "answer": text, "source": text, "instance": "", "planted": ""}
    made = {
        "dataset": text,
        "stage": "data",
        "kind": "Problem",
        "licence": text,
        "citation": text,
        "funnel": [{"step": "reading", "rows_in": 13900, "rows_out": 13845, "reason": text}],
        "splits": {"train": train, "test": test},
        "conflicts": [{"source": text, "question": text, "answer": text}],
        "near": {"pairs": 1, "other_answer": 1, "clusters": 1, "largest_cluster": 2}
        | {"between": {"train and test": 1}},
        "baselines": [baseline, {**baseline, "name": "free", "low": None, "high": None, "chance": None}],
        "findings": [text, "second"],
        "examples": {"train": [], "test": [problem]},
    }
    return made | changes


def page_of(*cards: dict[str, Any]) -> tuple[str, Page]:
    """Return the data section made of ``cards``, and what a parser finds there."""
    sources = {path.name: path.read_text() for path in TEMPLATES.glob("*.j2")}
    sources["page"] = (
        '{% from "dataset.html.j2" import dataset_card %}'
        "{% for dataset in datasets %}{{ dataset_card(dataset) }}{% endfor %}"
    )
    text = render(sources, "page", {"datasets": dataset_views(list(cards))})
    return text, Page(text)


def cells(dataset: DatasetView) -> dict[str, list[list[str]]]:
    """Return the texts of every table by its caption."""
    tables = [*dataset.tables, *dataset.folded]
    return {table.caption: [[cell.text for cell in row] for row in table.rows] for table in tables}


def test_every_cell_is_a_value_of_the_card() -> None:
    (dataset,) = dataset_views([card()])
    assert cells(dataset) == {
        "Rows and groups": [
            ["train", "12,345", "4,000"],
            ["test", "1,500", "500"],
        ],
        "Rules that do not reason, on test": [
            ["always no", "as it is", "65.4", "[60.0, 70.0]", "1,500", "68.0", "50.0"],
            ["free", "as it is", "65.4", "[no interval]", "1,500", "68.0", "–"],
        ],
        "Rows in and out": [["reading", "13,900", "13,845", "as it is"]],
        "Categories": [["as it is", "12,345", "1,400"], ["none", "–", "100"]],
        "Answers": [["no", "–", "980"], ["yes", "–", "520"]],
        "Place of the right choice": [["1", "9"]],
        "Same text, two answers: neither stays": [["as it is"] * 3],
        "Pairs of rows that are nearly the same": [["train and test", "1"]],
    }
    assert [table.note for table in dataset.folded if table.caption == "Answers"] == [
        "train has 150 different values"
    ]
    assert dataset.facts["Near duplicates"] == (
        "1 pair, of which 1 differ in answer and stay; 1 cluster, the largest of 2 rows"
    )
    assert dataset.findings == ["as it is", "second"]


def test_splits_come_in_their_own_order_whatever_the_file_has() -> None:
    one = {"rows": 1, "groups": 1}
    splits = {"dev": one, "test": {**one, "rows": 2}, "train": {**one, "rows": 3}}
    (dataset,) = dataset_views([card(splits=splits, examples={split: [] for split in splits})])
    assert [row[0] for row in cells(dataset)["Rows and groups"]] == ["train", "dev", "test"]


def test_of_many_values_the_most_frequent_are_shown() -> None:
    made = card()
    made["splits"]["test"]["rule"] = {f"rule {i:03}": i for i in range(MOST_VALUES + 3)}
    (dataset,) = dataset_views([made])
    (rules,) = [table for table in dataset.folded if table.caption == "Rules"]
    assert len(rules.rows) == MOST_VALUES
    assert [cell.text for cell in rules.rows[0]] == ["rule 042", "42"]
    assert rules.note == "3 rarer values not shown"


def test_hostile_text_is_shown_as_text() -> None:
    text, page = page_of(card(EVIL))
    shown = EVIL.replace("\x1b", "⟨U+001B⟩").replace("\u202e", "⟨U+202E⟩")
    assert page.all("script") == page.all("a") == []
    assert "\x1b" not in text and "\u202e" not in text and ">49<" not in text
    assert page.text["h3"] == [shown]
    assert page.text["li"] == [shown, "second"]
    assert page.text["dd"][1:3] == [shown, shown]  # licence and citation
    assert page.text["pre"] == [shown, shown, f"{shown}\nno"]  # context, question, choices
    assert shown in page.text["td"] and shown in page.text["th"]
    assert text.count("&lt;script&gt;") >= 11
    assert page.open == []


def test_long_parts_are_folded_and_headings_and_tables_are_in_order() -> None:
    text, page = page_of(card(), card(dataset="other"))
    assert len(page.all("article")) == len(page.all("h3")) == 2
    assert len(page.all("details")) == 4  # tables and examples of each
    assert len(page.all("table")) == len(page.all("caption")) == 16
    assert all(head["scope"] in ("col", "row") for head in page.all("th"))
    before, _, after = text.partition("<details>")
    assert "always no" in before and "Rows in and out</span>" in after
    tags = [tag for tag, _ in page.tags]
    assert tags.index("ul") < tags.index("table")  # what was found comes first


def test_a_dataset_without_rules_findings_or_examples_says_so() -> None:
    bare = card(baselines=[], findings=[], examples={"train": [], "test": []})
    bare["near"] = {"pairs": 0, "other_answer": 0, "clusters": 0, "largest_cluster": 0, "between": {}}
    bare["conflicts"] = []
    text, page = page_of(bare)
    assert "No artefact was found" in text
    assert page.all("ul") == []
    assert len(page.all("details")) == 1
    assert "<dt>Near duplicates</dt><dd>none</dd>" in text
    assert "nearly the same" not in text


def test_a_long_text_is_clipped() -> None:
    long = card()
    long["examples"]["test"][0]["context"] = "x" * (LONGEST_TEXT + 7)
    text, _ = page_of(long)
    assert "x\n… 7 more characters in the file" in text


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"question": "q", "chosen": "a", "rejected": "b", "attribution": "c"}, ["q", "a", "b", "c"]),
        ({"text": "t", "prompt": "p", "answer": ""}, ["t"]),
        ({"question": "q", "thought": "", "completion": "c", "answer": None}, ["q", "c"]),
    ],
    ids=["pair", "passage", "trace"],
)
def test_records_of_every_kind_have_their_parts(fields: dict[str, Any], parts: list[str]) -> None:
    record = {"problem_id": "p2", "category": "preference", "rule": "", "source": "a row 1", **fields}
    (dataset,) = dataset_views([card(examples={"dev": [record]})])
    (example,) = dataset.examples
    assert list(example.parts.values()) == parts
    assert (example.title, example.about) == ("dev: p2", "preference · a row 1")


def test_cards_of_other_stages_are_no_datasets() -> None:
    assert dataset_views([{"dataset": "logic", "stage": "rationales", "funnel": []}, {"choices": {}}]) == []
