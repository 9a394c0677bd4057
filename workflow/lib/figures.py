"""How every figure looks and is saved: one look per method, shared marks, reproducible files."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.lib.families import family
from workflow.lib.files import copy_file, read_csv, replacing, write_json
from workflow.lib.wording import count, listed, shorten, visible

Row = dict[str, str]
Panel = tuple[Axes, list[Row]]
PAPER, INK, MUTED, GRID = "#ffffff", "#1b1f24", "#5b636c", "#dfe3e7"
LONGEST_LABEL = 26  # characters
INTERVAL_WIDTH = 1.4  # points
PERCENT = 100.0  # of a share, and points of a difference of shares


@dataclass(frozen=True)
class Look:
    """How a method is named and drawn, everywhere."""

    label: str
    colour: str
    marker: str


LOOKS = {
    "base": Look("Base", "#777777", "o"),
    "sft": Look("SFT", "#4477aa", "s"),
    "dpo": Look("DPO", "#aa3377", "D"),
    "orpo": Look("ORPO", "#228833", "^"),
    "kto": Look("KTO", "#332288", "<"),
    "simpo": Look("SimPO", "#661100", ">"),
    "ppo": Look("PPO", "#ee6677", "v"),
    "grpo": Look("GRPO", "#117733", "p"),
    "rloo": Look("RLOO", "#008888", "h"),
    "reward": Look("Reward model", "#999933", "P"),
}
DARK = {
    PAPER: "#15181c",
    INK: "#e4e7ea",
    MUTED: "#9aa3ac",
    GRID: "#30363d",
    "#777777": "#a9b0b7",
    "#4477aa": "#79aee0",
    "#aa3377": "#dd77b4",
    "#228833": "#55bb66",
    "#332288": "#a79cf2",
    "#661100": "#cf9a6b",
    "#117733": "#5cc080",
    "#008888": "#4cc4c4",
    "#ee6677": "#ff8b98",
    "#999933": "#c6c65a",
}


@dataclass(frozen=True)
class Caption:
    """What is said of a figure: a title, what a reader who cannot see it should know, and what it shows."""

    title: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Facet:
    """One (dataset, model, task) of a study: one panel."""

    dataset: str
    model: str
    task: str


def look(method: str) -> Look:
    """Return the look of ``method``; another use of a trainer, as ``dpo-ipo``, shares its colour only."""
    if method in LOOKS:
        return LOOKS[method]
    trainer = family(method)
    if trainer not in LOOKS:
        return Look(shorten(method, LONGEST_LABEL), INK, "X")
    label = f"{LOOKS[trainer].label} {method.removeprefix(trainer + '-')}"
    return Look(shorten(label, LONGEST_LABEL), LOOKS[trainer].colour, "X")


def ordered(methods: Iterable[str]) -> list[str]:
    """Return the distinct ``methods`` in the one order of all figures and tables."""
    order = list(LOOKS)
    return sorted(
        set(methods), key=lambda m: (order.index(family(m)) if family(m) in order else len(order), m)
    )


def facets(rows: Sequence[Row]) -> list[Facet]:
    """Return the distinct facets of ``rows`` in order of appearance."""
    return list(dict.fromkeys(Facet(r["dataset"], r["model"], r["task"]) for r in rows))


def facet_rows(rows: Sequence[Row], facet: Facet) -> list[Row]:
    """Return the rows that belong to ``facet``."""
    return [r for r in rows if Facet(r["dataset"], r["model"], r["task"]) == facet]


def facet_title(facet: Facet, among: Sequence[Facet]) -> str:
    """Return the task, with dataset and model only where the study has several."""
    several = len({(f.dataset, f.model) for f in among}) > 1
    parts = [facet.task, facet.dataset, facet.model] if several else [facet.task]
    return " · ".join(visible(part) for part in parts)


def headline(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of each task's headline metric: accuracy, or else the first that is listed."""
    metrics: dict[str, list[str]] = {}
    for row in rows:
        metrics.setdefault(row["task"], []).append(row["metric"])
    chosen = {task: "accuracy" if "accuracy" in names else names[0] for task, names in metrics.items()}
    return [row for row in rows if row["metric"] == chosen[row["task"]]]


def known(rows: Sequence[Row], quantity: str) -> list[Row]:
    """Return the rows that have a value of ``quantity``; one without is in the table, with the reason."""
    return [row for row in rows if row[quantity]]


def sizes(rows: Sequence[Row], noun: str = "answers") -> str:
    """Return the sample sizes of ``rows`` per task, for a caption."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        size = f"{count(row['n'])} {noun} in {count(row['groups'])} groups"
        found.setdefault(row["task"], {})[size] = None
    return "; ".join(f"{visible(task)}: n = {listed(list(texts))}" for task, texts in found.items())


def interval_kind(rows: Sequence[Row]) -> str:
    """Return the kind of the intervals in ``rows`` in words, for a caption."""
    return listed(sorted({visible(r["interval"]) for r in rows if r["interval"]})) or "none given"


@contextmanager
def styled(style: str) -> Iterator[None]:
    """Draw and save under the style sheet at ``style``, and under nothing else."""
    with mpl.rc_context(fname=style):
        yield


def width() -> float:
    """Return the width of every figure, inches, as the style sheet has it."""
    return float(mpl.rcParams["figure.figsize"][0])


def panels(number: int, columns: int, height: float, *, share_x: bool = False) -> tuple[Figure, list[Axes]]:
    """Return a figure with ``number`` panels of ``height`` inches, ``columns`` to a row."""
    columns = min(columns, number)
    rows = -(-number // columns)
    figure = Figure(figsize=(width(), rows * height + 0.2))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share_x)
    axes = [axis for line in grid for axis in line]
    for axis in axes[number:]:
        axis.remove()
    if share_x:
        for axis in axes[max(0, number - columns) : number]:
            axis.tick_params(labelbottom=True)
    return figure, axes[:number]


def blank(message: str) -> Figure:
    """Return a figure that says why there is nothing to show."""
    figure = Figure(figsize=(width(), 1.0))
    figure.text(0.5, 0.5, message, ha="center", va="center", color=MUTED)
    return figure


def interval_mark(
    axis: Axes, y: float, row: Row, quantity: str, *, hollow: bool = False, scale: float = PERCENT
) -> None:
    """Draw one estimate, times ``scale``, with its interval as a horizontal line."""
    style = look(row["method"])
    if row["low"] and row["high"]:
        ends = [scale * float(row["low"]), scale * float(row["high"])]
        axis.plot(ends, [y, y], color=style.colour, linewidth=INTERVAL_WIDTH)
    fill = PAPER if hollow else style.colour
    axis.plot([scale * float(row[quantity])], [y], style.marker, color=style.colour, markerfacecolor=fill)


def upright_mark(
    axis: Axes, x: float, row: Row, quantity: str, *, scale: float = PERCENT, label: str | None = None
) -> None:
    """Draw one estimate, times ``scale``, at ``x`` with its interval as an upright line."""
    style = look(row["method"])
    if row["low"] and row["high"]:
        ends = [scale * float(row["low"]), scale * float(row["high"])]
        axis.plot([x, x], ends, color=style.colour, linewidth=INTERVAL_WIDTH)
    axis.plot([x], [scale * float(row[quantity])], style.marker, color=style.colour, label=label)


def by_task_and_method(rows: Sequence[Row], columns: int, height: float) -> tuple[Figure, list[Panel]]:
    """Return a figure with one panel for each task and method of ``rows``, titled, and the rows of each."""
    places = facets(rows)
    wanted = [(place, m) for place in places for m in ordered(r["method"] for r in facet_rows(rows, place))]
    figure, axes = panels(len(wanted), columns, height, share_x=True)
    found = []
    for axis, (place, method) in zip(axes, wanted, strict=True):
        several = f"{facet_title(place, places)}, " if len(places) > 1 else ""
        axis.set_title(several + look(method).label)
        found.append((axis, [r for r in facet_rows(rows, place) if r["method"] == method]))
    return figure, found


def name_rows(axis: Axes, labels: Sequence[str]) -> None:
    """Name the rows of a panel from top to bottom, without grid lines or ticks between them."""
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)


def save(
    figure: Figure, caption: Caption, *, table: str, svg: str, pdf: str, png: str, csv: str, json: str
) -> None:
    """Write ``figure`` as SVG, PDF and PNG with its table and caption; same table, same bytes.

    Must be called under ``styled``, which fixes the ids and the fonts of the files.
    """
    unsigned: dict[str, dict[str, str | None]] = {
        "svg": {"Title": caption.title, "Date": None, "Creator": None, "Format": None, "Type": None},
        "pdf": {"Title": caption.title, "CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Title": caption.title, "Software": None},
    }
    for kind, path in {"svg": svg, "pdf": pdf, "png": png}.items():
        with replacing(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=unsigned[kind])
    copy_file(table, csv)
    write_json(json, asdict(caption))


def make(
    draw: Callable[[list[Row]], Figure],
    describe: Callable[[list[Row]], Caption],
    *,
    table: str,
    style: str,
    svg: str,
    pdf: str,
    png: str,
    csv: str,
    caption: str,
) -> None:
    """Draw the table at ``table`` under ``style`` and write the figure's files."""
    rows = read_csv(table)
    with styled(style):
        save(draw(rows), describe(rows), table=table, svg=svg, pdf=pdf, png=png, csv=csv, json=caption)


def dark(svg: str) -> str:
    """Return the SVG text ``svg`` with paper, ink and method colours exchanged for a dark page."""
    colour = re.compile(r"(?<=fill: |roke: )#[0-9a-f]{6}")
    return colour.sub(lambda match: DARK[match[0]] if match[0] in DARK else match[0], svg)
