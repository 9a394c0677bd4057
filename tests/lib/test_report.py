"""The page of the report: escaping, clipping, figures as data, no trace of the machine."""

import base64
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from tests.report_inputs import CARDS, EVIL, examples, provenance
from workflow.lib.errors import DataError
from workflow.lib.figures import DARK, INK
from workflow.lib.files import write_json
from workflow.lib.report import (
    LARGEST_FIGURE,
    LARGEST_PAGE,
    MOST_EXAMPLES,
    card_listings,
    example_sets,
    figure_view,
    provenance_view,
    render,
    without_folders,
)
from workflow.lib.wording import LONGEST_TEXT, clip


def test_every_value_is_escaped_and_markup_is_not_read_as_a_template() -> None:
    page = render({"page": "<p>{{ text }}</p>"}, "page", {"text": EVIL})
    assert page.startswith("<p>&lt;script&gt;document.title=&#39;owned&#39;&lt;/script&gt;{{7*7}}&lt;a href=")
    assert "⟨U+001B⟩[31m⟨U+202E⟩evil</p>" in page


def test_a_macro_is_not_escaped_twice() -> None:
    source = "{% macro m(t) %}<b>{{ t }}</b>{% endmacro %}{{ m(text) }}"
    assert render({"page": source}, "page", {"text": "a & b"}) == "<b>a &amp; b</b>"
    assert render({"page": "{{ text }}"}, "page", {"text": Markup("<b>")}) == "<b>"


def test_an_unknown_name_in_a_template_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="absent"):
        render({"page": "{{ absent }}"}, "page", {})


def test_a_page_that_is_too_large_is_refused() -> None:
    with pytest.raises(DataError, match="10000001 bytes"):
        render({"page": "{{ text }}"}, "page", {"text": "x" * (LARGEST_PAGE + 1)})


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('"path": "/home/someone/study/data.json"', '"path": "…/data.json"'),
        ("run --configfile=/scratch/a/b.yaml now", "run --configfile=…/b.yaml now"),
        ("results/analysis/accuracy.csv", "results/analysis/accuracy.csv"),
        ("yes/no, right / samples asked", "yes/no, right / samples asked"),
        ("https://example.org/a/b", "https://example.org/a/b"),
    ],
)
def test_absolute_folders_are_cut(text: str, left: str) -> None:
    assert without_folders(text) == left


def test_a_figure_is_data_in_two_inks(tmp_path: Path) -> None:
    svg, caption = tmp_path / "a.svg", tmp_path / "a.json"
    svg.write_text(f'<svg><path style="stroke: {INK}"/></svg>')
    write_json(caption, {"title": "T", "alt": "A", "caption": "C"})
    view = figure_view(str(svg), str(caption))
    assert view is not None
    assert (view.title, view.alt, view.caption) == ("T", "A", "C")
    kind, _, data = view.dark.partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(data).decode() == f'<svg><path style="stroke: {DARK[INK]}"/></svg>'


def test_a_figure_that_is_not_there_is_nothing_and_one_too_large_is_refused(tmp_path: Path) -> None:
    svg, caption = tmp_path / "a.svg", tmp_path / "a.json"
    assert figure_view(str(svg), str(caption)) is None
    write_json(caption, {"title": "T", "alt": "A", "caption": "C"})
    svg.write_text("x" * (LARGEST_FIGURE + 1))
    with pytest.raises(DataError, match="2,000,001 bytes"):
        figure_view(str(svg), str(caption))


def test_a_long_text_is_clipped_and_says_by_how_much() -> None:
    assert clip("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT
    assert clip("x" * (LONGEST_TEXT + 12)).endswith("x\n… 12 more characters in the file")


def test_examples_are_ordered_by_method_and_counted_when_left_out() -> None:
    content = examples("text")
    content["sets"][0]["examples"] *= MOST_EXAMPLES + 5
    (shown,) = example_sets(content)
    assert [answer["label"] for answer in shown["examples"][0]["answers"]] == ["Base", "SFT", "DPO"]
    assert (len(shown["examples"]), shown["left_out"]) == (MOST_EXAMPLES, 5)
    assert example_sets({}) == []


def test_provenance_keeps_the_order_of_the_settings() -> None:
    job = {
        "rule": "train",
        "output": "a",
        "begun": "2026-11-20T09:00:00+00:00",
        "reasons": ["Code", "Params"],
    }
    later = job | {"output": "b", "begun": "2026-11-20T10:00:00+00:00"}
    view = provenance_view(provenance(), [job, later])
    (why,) = [table for table in view.tables if table.caption == "Why each job ran"]
    assert [[cell.text for cell in row] for row in why.rows] == [
        ["train", "2", "Code, Params", later["begun"]]
    ]
    assert view.facts["Commit"] == "c0ffee"
    assert view.listings["Settings of the study"] == "seeds:\n- 1\n- 2\npath: /scratch/someone/model\n"
    assert list(view.listings) == [
        *("Settings of the study", "Training runs (1)", "Evaluations (0)", "Inputs in full (1)"),
    ]
    assert provenance_view({}, []).facts == {}


def test_every_card_is_listed_under_its_stage() -> None:
    assert list(card_listings(CARDS)) == [
        "Card of logic, data",
        "Card of logic, choice of prompts",
        "Card of logic, rationales",
    ]
