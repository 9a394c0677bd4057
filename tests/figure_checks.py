"""What the tests of all figure scripts share: running one, and reading marks off a figure."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.report_inputs import write
from workflow.lib.figures import Row, styled
from workflow.lib.files import read_csv, read_json

STYLE = str(Path(__file__).parents[1] / "workflow/report/figures.mplstyle")
KINDS = ("svg", "pdf", "png", "csv", "caption")


def drawn(draw: Callable[[list[Row]], Figure], rows: list[Row]) -> Figure:
    """Return the figure of ``rows``, laid out."""
    with styled(STYLE):
        figure = draw(rows)
        figure.draw_without_rendering()
    return figure


def row_names(axis: Axes) -> list[str]:
    """Return the names of the rows of a panel from top to bottom."""
    return [label.get_text() for label in axis.get_yticklabels()]


def marks(axis: Axes) -> dict[str, list[tuple[float, float]]]:
    """Return the single points of a panel by marker, and its horizontal lines under ``-``."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in axis.lines:
        xs, ys = ([round(float(value), 6) for value in values] for values in line.get_data())
        if len(xs) == 1:
            found.setdefault(str(line.get_marker()), []).append((xs[0], ys[0]))
        elif ys[0] == ys[1] and line.get_transform() == axis.transData:
            found.setdefault("-", []).append((xs[0], xs[1]))
    return found


def check_files(main: Callable[..., None], name: str, folder: Path, title: str, *said: str) -> None:
    """Run a figure script twice: same bytes, its table copied, its caption complete."""
    write(folder)
    table = folder / f"{name}.csv"
    outputs = [{kind: str(folder / run / f"{name}.{kind}") for kind in KINDS} for run in ("one", "two")]
    for paths in outputs:
        main(table=str(table), style=STYLE, **paths)
    one, two = ({kind: Path(path).read_bytes() for kind, path in paths.items()} for paths in outputs)
    assert one == two
    assert one["csv"] == table.read_bytes()
    caption = read_json(outputs[0]["caption"])
    assert set(caption) == {"title", "alt", "caption"}
    assert caption["title"] == title
    assert f"<title>{title}</title>".encode() in one["svg"]
    for words in said:
        assert words in caption["caption"]


def check_nothing(main: Callable[..., None], name: str, folder: Path, said: str) -> None:
    """Run a figure script on a table without rows: the figure and its caption say why it is empty."""
    write(folder)
    table = folder / f"{name}.csv"
    table.write_text(",".join(read_csv(table)[0]) + "\n")
    paths = {kind: str(folder / f"empty.{kind}") for kind in KINDS}
    main(table=str(table), style=STYLE, **paths)
    assert said in Path(paths["svg"]).read_text()
    assert read_json(paths["caption"])["caption"] == said
