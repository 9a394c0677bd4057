"""Looks, captions and files of figures."""

import importlib
import re
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb

from tests.report_inputs import score, tables
from workflow.lib.figures import (
    DARK,
    INK,
    LOOKS,
    PAPER,
    Caption,
    Facet,
    blank,
    dark,
    facet_title,
    headline,
    look,
    ordered,
    panels,
    save,
    sizes,
    styled,
)

ROOT = Path(__file__).parents[2]
STYLE = str(ROOT / "workflow/report/figures.mplstyle")


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2: relative luminances plus 0.05)."""

    def luminance(colour: str) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, deep = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (deep + 0.05)


@pytest.mark.parametrize("method", LOOKS)
def test_every_method_is_seen_on_white_and_on_dark_paper(method: str) -> None:
    colour = LOOKS[method].colour
    assert contrast(colour, PAPER) > 2.8
    assert contrast(DARK[colour], DARK[PAPER]) > 4.5


def test_methods_differ_in_colour_and_in_marker() -> None:
    assert len({style.colour for style in LOOKS.values()}) == len(LOOKS)
    assert len({style.marker for style in LOOKS.values()}) == len(LOOKS)


def test_methods_have_one_order_and_unknown_ones_come_last() -> None:
    assert ordered(["ppo", "zeta", "base", "alpha", "sft", "ppo"]) == ["base", "sft", "ppo", "alpha", "zeta"]
    assert look("zeta-beta") == type(look("sft"))("zeta-beta", INK, "X")


def test_two_uses_of_a_trainer_share_its_colour_and_stand_together() -> None:
    assert ordered(["ppo", "dpo-ipo", "dpo", "orpo"]) == ["dpo", "dpo-ipo", "orpo", "ppo"]
    assert look("dpo-ipo") == type(look("dpo"))("DPO ipo", look("dpo").colour, "X")


def test_the_headline_metric_is_accuracy_or_the_first() -> None:
    rows = [score("sft", metric="balanced"), score("sft"), score("sft", task="other", metric="reward")]
    assert [(r["task"], r["metric"]) for r in headline(rows)] == [
        ("logicbench", "accuracy"),
        ("other", "reward"),
    ]


def test_a_panel_names_dataset_and_model_only_where_there_are_several() -> None:
    one, other = Facet("logic", "tiny", "qa"), Facet("logic", "large", "qa")
    assert facet_title(one, [one]) == "qa"
    assert facet_title(one, [one, other]) == "qa · logic · tiny"


def test_sizes_are_told_per_task() -> None:
    rows = [score("sft"), score("dpo"), score("dpo", n="90", groups="30"), score("dpo", task="qa")]
    logicbench, qa = sizes(rows).split("; ")
    assert logicbench == "logicbench: n = 400 answers in 200 groups and 90 answers in 30 groups"
    assert qa == "qa: n = 400 answers in 200 groups"


def test_panels_without_content_are_not_there() -> None:
    with styled(STYLE):
        figure, axes = panels(3, 2, 1.0)
    assert (len(axes), len(figure.axes)) == (3, 3)


def test_the_style_holds_inside_and_not_outside() -> None:
    before = mpl.rcParams["svg.fonttype"], mpl.rcParams["axes.spines.top"]
    with styled(STYLE):
        assert (mpl.rcParams["svg.fonttype"], mpl.rcParams["axes.spines.top"]) == ("none", False)
        assert mpl.rcParams["text.parse_math"] is False
    assert (mpl.rcParams["svg.fonttype"], mpl.rcParams["axes.spines.top"]) == before


def test_saved_files_are_whole_and_the_same_every_time(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a\n1\n")
    for folder in (tmp_path / "one", tmp_path / "two"):
        paths = {kind: str(folder / f"figure.{kind}") for kind in ("svg", "pdf", "png", "csv", "json")}
        with styled(STYLE):
            save(blank("Price in $ and $ <b>"), Caption("Title", "Alt", "Text"), table=str(table), **paths)
    found = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert found == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
    assert set(found) == {f"figure.{kind}" for kind in ("svg", "pdf", "png", "csv", "json")}
    assert b"Price in $ and $ &lt;b&gt;</text>" in found["figure.svg"]
    assert b"<title>Title</title>" in found["figure.svg"]
    assert b"date>" not in found["figure.svg"]
    assert b"CreationDate" not in found["figure.pdf"]
    assert b"Software" not in found["figure.png"]
    assert found["figure.csv"] == b"a\n1\n"


def test_the_dark_variant_changes_ink_and_paper_and_not_the_text() -> None:
    path, text = '<path style="fill: {}; stroke: {}"/>', f'<text style="fill: #abcdef">fill is {INK}</text>'
    assert dark(path.format(PAPER, INK) + text) == path.format(DARK[PAPER], DARK[INK]) + text


@pytest.mark.parametrize("figure", sorted(path.stem for path in ROOT.glob("workflow/scripts/plot_*.py")))
def test_one_style_sheet_restyles_every_figure(tmp_path, figure):
    changes = {"figure.figsize": "3.3, 2.0", "xtick.labelcolor": "112233", "font.family": "serif"}
    sheet = (ROOT / "workflow/report/figures.mplstyle").read_text()
    for name, value in changes.items():
        sheet, changed = re.subn(rf"^{name}: .*$", f"{name}: {value}", sheet, flags=re.MULTILINE)
        assert changed == 1
    (tmp_path / "own.mplstyle").write_text(sheet)
    module = importlib.import_module(f"workflow.scripts.{figure}")
    rows = tables()[figure.removeprefix("plot_")]
    assert rows
    with styled(str(tmp_path / "own.mplstyle")):
        made = module.draw(rows)
        made.savefig(tmp_path / "own.svg")
    drawing = (tmp_path / "own.svg").read_text()
    assert 'width="237.6pt"' in drawing  # 3.3 inches of 72 points
    assert "fill: #112233" in drawing and "serif" in drawing and "sans-serif" not in drawing
