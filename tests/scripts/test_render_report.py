"""The report as a whole: complete, self-contained, escaped, and honest where something was not run."""

import base64
import gzip
import hashlib
import html.parser
import re
from pathlib import Path

import pytest

from tests.hand_samples import SETTINGS, write_samples
from tests.report_inputs import EVIL, STUDY, answers, contamination, examples, write
from workflow.lib.files import write_json
from workflow.scripts import pack_samples, plot_accuracy
from workflow.scripts.render_report import main

REPOSITORY = Path(__file__).parents[2]
FIGURES = (
    *("accuracy", "deltas", "categories", "rewards", "frontier", "reliability", "selective", "lengths"),
    *("efficiency", "scaling", "sweeps", "curves", "costs", "funnel", "timeline"),
)
TABLES = (
    *FIGURES,
    *("subsets", "pairs", "ranks", "category_deltas", "calibration", "baselines", "noise", "wins"),
    "resources",
)
SECTIONS = [
    *("summary", "results", "differences", "categories", "rewards", "confidence", "training", "costs"),
    *("jobs", "data", "samples", "checks", "provenance", "methods"),
]
SCRIPT = "workflow/report/samples.js"
REQUESTS = {"src", "srcset", "action", "background", "poster", "data"}  # attributes a browser fetches


class Page(html.parser.HTMLParser):
    """What a parser finds on the page."""

    def __init__(self, text: str) -> None:
        """Parse ``text``."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text: dict[str, list[str]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the element."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text of the innermost element."""
        self.text.setdefault(self.open[-1] if self.open else "", []).append(data)

    def all(self, name: str) -> list[dict[str, str]]:
        """Return the attributes of every element called ``name``."""
        return [attributes for tag, attributes in self.tags if tag == name]


def render(folder: Path, figures: tuple[str, ...] = ("accuracy",)) -> str:
    """Return the page made of the files in ``folder``, of which some may not be there."""
    style = str(REPOSITORY / "workflow/report/figures.mplstyle")
    for name in figures:
        paths = {kind: str(folder / f"{name}.{kind}") for kind in ("svg", "pdf", "png")}
        paths |= {"csv": str(folder / "sidecar.csv"), "caption": str(folder / f"{name}.json")}
        plot_accuracy.main(table=str(folder / "accuracy.csv"), style=style, **paths)
    main(
        tables=[str(folder / f"{name}.csv") for name in TABLES],
        figures=[str(folder / f"{name}.svg") for name in FIGURES],
        captions=[str(folder / f"{name}.json") for name in FIGURES],
        examples=str(folder / "examples.json"),
        samples=str(folder / "samples.jsonl.gz"),
        provenance=str(folder / "provenance.json"),
        checks=str(folder / "checks.json"),
        methods=str(folder / "methods.md"),
        references=str(folder / "references.bib"),
        cards=[str(folder / f"card-{number}.json") for number in (0, 1)],
        templates=[str(path) for path in sorted((REPOSITORY / "workflow/report").glob("*.*"))],
        report=str(folder / "report.html"),
        study=STUDY,
    )
    return (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("study")
    write(folder)
    return render(folder)


def test_the_page_has_every_section_one_heading_and_a_way_to_each(text: str) -> None:
    page = Page(text)
    assert [section["id"] for section in page.all("section")] == SECTIONS
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("nav")) == 1
    assert page.all("html") == [{"lang": "en"}]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    inner = [a["href"][1:] for a in page.all("a") if a["href"].startswith("#") and "data-samples" not in a]
    assert inner == ["summary", *SECTIONS, "samples", "samples"]  # of the results, and of their figure
    assert {a["href"] for a in page.all("a") if "data-samples" in a} == {"#samples"}
    assert page.open == []


def test_the_page_asks_for_nothing_and_forbids_it(text: str) -> None:
    page = Page(text)
    (policy,) = (m["content"] for m in page.all("meta") if "http-equiv" in m)
    source = base64.b64encode(hashlib.sha256((REPOSITORY / SCRIPT).read_bytes()).digest()).decode()
    allowed = f"style-src 'unsafe-inline'; script-src 'sha256-{source}';"
    assert policy.startswith(f"default-src 'none'; img-src data:; {allowed}")
    for tag, attributes in page.tags:
        asked = [value for name, value in attributes.items() if name in REQUESTS]
        assert all(value.startswith("data:image/svg+xml;base64,") for value in asked), tag
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    assert all(
        re.match(r"#|analysis/|figures/|methods.md$|references.bib$", link["href"]) for link in page.all("a")
    )
    assert "://" not in text
    assert "@import" not in text
    assert "url(" not in text
    assert page.all("script") == [{"type": "text/plain", "id": "sample-data"}, {}]
    assert page.text["script"][1] == (REPOSITORY / SCRIPT).read_text()


def test_model_text_is_shown_as_text(text: str) -> None:
    page = Page(text)
    shown = EVIL.replace("\x1b", "⟨U+001B⟩").replace("\u202e", "⟨U+202E⟩")
    assert page.text["pre"].count(shown) == 6  # prompt, three answers, context and question of a dataset
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "Study <b>one</b>" in page.text["h1"]
    assert "49" not in page.text["pre"]


def test_numbers_of_the_tables_are_on_the_page(text: str) -> None:
    page = Page(text)
    assert "72.0 [67.0, 77.0]" in page.text["a"]
    assert "+17.0 [12.0, 22.0], better" in page.text["span"]
    assert any(words.startswith("DPO is better than Base on logicbench") for words in page.text["p"])


def test_the_methods_are_those_of_the_study(text: str) -> None:
    page = Page(text)
    # The file says: It learns [@key]. <script>…; the entry of the key has neither author nor year.
    assert any(words.startswith("It learns. <script>") for words in page.text["p"])
    assert "SFT imitates verified answers" not in text
    assert "train asked for 64 GB: <b>2 GB</b> would do." in page.text["li"]


def test_cells_lead_to_their_samples_and_tables_to_their_file(text: str) -> None:
    page = Page(text)
    leads = {link["data-samples"] for link in page.all("a") if "data-samples" in link}
    task = "dataset=logic&model=tiny&task=logicbench"
    assert f"{task}&method=dpo" in leads
    assert f"{task}&method=dpo&category=rule%3Amodus_tollens" in leads
    assert {f"{task}&right=dpo&wrong=base", f"{task}&right=base&wrong=dpo"} <= leads
    assert {f"{task}&method=sft&seed=2", f"{task}&method=dpo&subset=clean"} <= leads
    files = {link["href"] for link in page.all("a")} - {"#samples"}
    assert {"analysis/accuracy.csv", "analysis/deltas.csv", "figures/accuracy.csv"} <= files
    assert "figures/accuracy.csv" in page.text["a"]  # to be read where it cannot be followed


def test_style_and_script_reach_the_page_as_they_are(text: str) -> None:
    assert '"Segoe UI", "Liberation Sans", sans-serif;' in text
    on_paper = text.partition("@media print")[2]
    assert "nav, .skip, .screen { display: none; }" in on_paper
    assert '<div class="screen">\n<h3>All answers</h3>' in text


def test_tables_have_captions_and_scopes_and_figures_have_alternative_text(text: str) -> None:
    page = Page(text)
    assert len(page.all("caption")) == len(page.all("table")) == 32
    assert all(head["scope"] in ("col", "row") for head in page.all("th"))
    assert len(page.all("img")) == 2  # light and dark
    assert all(image["alt"] == plot_accuracy.ALT for image in page.all("img"))


def test_the_page_tells_nothing_of_the_machine_or_the_user(text: str) -> None:
    assert "someone" not in text
    assert "/home" not in text
    assert "snakemake --configfile …/config.yaml" in text
    assert str(REPOSITORY) not in text


def test_a_secret_in_the_inputs_is_not_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    write(tmp_path)
    write_json(
        tmp_path / "examples.json", examples("it said canary-0123456789 and hf_abcdefghijklmnopqrstuvwxyz")
    )
    told = [write_samples(tmp_path / "samples.parquet", answers("canary-0123456789 and more"))]
    packed_at = {"contamination": contamination(tmp_path), "packed": str(tmp_path / "samples.jsonl.gz")}
    pack_samples.main(samples=told, **packed_at, settings=SETTINGS)
    page = render(tmp_path)
    packed = Page(page).text["script"][0]
    texts = gzip.decompress(base64.b64decode(packed)).decode()
    assert "canary" not in texts
    assert texts.count("[OPENAI_API_KEY] and more") == 24 * 3 + 12  # texts of three methods, and prompts
    assert "canary" not in page
    assert "hf_abc" not in page
    assert page.count("it said [OPENAI_API_KEY] and [secret]") == 4


def test_the_same_inputs_give_the_same_bytes(text: str, tmp_path: Path) -> None:
    write(tmp_path)
    assert render(tmp_path) == text


def test_a_study_with_nothing_finished_still_renders(tmp_path: Path) -> None:
    page = Page(render(tmp_path, figures=()))
    assert [section["id"] for section in page.all("section")] == SECTIONS
    gaps = [p for p in page.all("p") if "class" in p and p["class"] == "not-run"]
    # summary, headline, transfer, rewards, wins, sweeps, costs, datasets, teachers, rationales,
    # answers, examples, checks, provenance, methods, references; fifteen figures
    assert len(gaps) == 31
    assert page.all("table") == page.all("script") == []


def test_one_missing_figure_is_said_and_the_others_are_shown(tmp_path: Path) -> None:
    write(tmp_path)
    page = render(tmp_path, figures=("accuracy", "deltas"))
    assert "Not run: figure accuracy." not in page
    assert "Not run: figure funnel." in page


def test_ten_thousand_examples_do_not_make_a_large_page(tmp_path: Path) -> None:
    write(tmp_path)
    many = examples("x" * 20_000)
    many["sets"][0]["examples"] *= 2_500  # of three answers and a prompt each
    write_json(tmp_path / "examples.json", many)
    page = render(tmp_path)
    assert len(page) < 5_000_000
    assert "2440 more examples are in analysis/examples.json." in page
    assert "14,000 more characters in the file" in page
