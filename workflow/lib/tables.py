"""The tables that the report shows, each made of the rows of one CSV file or card.

Nothing is computed: a cell here is a cell there, rounded. What a study has not run is an empty list,
which the page shows as "not run".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from workflow.lib.figures import Row, facet_rows, facets, headline, look, ordered
from workflow.lib.findings import is_primary, of_place, places
from workflow.lib.verdicts import verdict
from workflow.lib.wording import bracket, count, duration, p_value, points, share, significant

MOST_ROWS = 400  # of one table; the CSV has them all
SHORT_DIGEST = 12  # hexadecimal digits shown
ROLES = ("dataset", "model", "teacher")  # of what a manifest describes, by the key that names it


@dataclass(frozen=True)
class Cell:
    """One cell: its main text, a smaller second line, a word that marks it, and a choice of samples."""

    text: str
    detail: str = ""
    mark: str = ""
    samples: str = ""  # what the sample browser shows when the cell is followed, as ``task=quiz&method=dpo``


@dataclass(frozen=True)
class Table:
    """One table; the first column names the rows. Columns whose name is in ``words`` hold no numbers."""

    caption: str
    columns: list[str]
    rows: list[list[Cell]]
    words: frozenset[str] = frozenset()
    source: str = ""  # CSV file, beside the report
    note: str = ""
    left_out: int = 0


Build = Callable[[Sequence[Row], str, str], Table]


def table_of(
    caption: str,
    columns: dict[str, list[str]],
    *,
    words: Iterable[str] = (),
    source: str = "",
    note: str = "",
    samples: Mapping[str, Sequence[str]] | None = None,
) -> Table:
    """Return a table from its columns; all but the first ``MOST_ROWS`` rows are left out and counted.

    The cells of a column that ``samples`` names lead to these samples.
    """
    leads = {name: [""] * len(texts) for name, texts in columns.items()} | dict(samples or {})
    cells = [
        [Cell(text, samples=lead) for text, lead in zip(texts, leads[name], strict=True)]
        for name, texts in columns.items()
    ]
    lines = [list(line) for line in zip(*cells, strict=True)]
    left_out = max(0, len(lines) - MOST_ROWS)
    return Table(caption, list(columns), lines[:MOST_ROWS], frozenset(words), source, note, left_out)


def samples_of(row: Row, **more: str) -> str:
    """Return the choice of the samples that a row speaks of, as the page's address states it."""
    return urlencode({name: row[name] for name in ("dataset", "model", "task")} | more)


def by_place(rows: Sequence[Row], build: Build, caption: str, source: str) -> list[Table]:
    """Return one table for each dataset and model, named in the caption where there are several."""
    several = len(places(rows)) > 1
    return [
        build(of_place(rows, place), caption + (f": {' · '.join(place)}" if several else ""), source)
        for place in places(rows)
    ]


def headline_tables(
    accuracy: Sequence[Row], deltas: Sequence[Row], baselines: Sequence[Row], noise: Sequence[Row]
) -> list[Table]:
    """Return methods down, tasks across: accuracy and difference from base; then guessing and noise."""

    def build(rows: Sequence[Row], caption: str, source: str) -> Table:
        tasks = facets(rows)
        gains = {
            (r["task"], r["method"]): r for r in of_place(deltas, places(rows)[0]) if r["against"] == "base"
        }
        columns = {task.task: facet_rows(rows, task) for task in tasks}
        lines = []
        for method in ordered(r["method"] for r in rows):
            cells = [headline_cell(some, method, gains) for some in columns.values()]
            lines.append([Cell(look(method).label), *cells])
        lines.append([Cell("Best guess"), *(guess_cell(baselines, task.task) for task in tasks)])
        floor = of_place(noise, places(rows)[0])
        lines.append([Cell("Noise floor"), *(noise_cell(floor, task.task) for task in tasks)])
        heads = [f"{task} (n = {count(some[0]['n'])})" for task, some in columns.items()]
        return Table(caption, ["Method", *heads], lines, source=source)

    whole = [r for r in headline(accuracy) if r["seed"] == "all"]
    deltas = headline(deltas)
    return by_place(
        whole, build, "Accuracy in percent, and difference from Base in percentage points", "accuracy"
    )


def headline_cell(rows: Sequence[Row], method: str, gains: Mapping[tuple[str, str], Row]) -> Cell:
    """Return the cell of ``method`` among the ``rows`` of one task."""
    mine = [r for r in rows if r["method"] == method]
    if not mine:
        return Cell("not run")
    row = mine[0]
    known = [float(r["estimate"]) for r in rows if r["estimate"]]
    best = bool(row["estimate"]) and float(row["estimate"]) == max(known)
    text = f"{share(row['estimate'])} {bracket(row['low'], row['high'])}"
    samples = samples_of(row, method=method)
    if (row["task"], method) not in gains:
        return Cell(text, "", "highest" if best else "", samples)
    gain = gains[row["task"], method]
    word = {"better": ", better", "worse": ", worse", "unclear": ""}[verdict(gain)]
    detail = f"{points(gain['delta'])} {bracket(gain['low'], gain['high'])}{word}"
    return Cell(text, detail, "highest" if best else "", samples)


def guess_cell(baselines: Sequence[Row], task: str) -> Cell:
    """Return what the best rule of guessing scores on ``task``, and which it is."""
    known = [r for r in baselines if r["task"] == task and r["accuracy"]]
    if not known:
        return Cell("–", "no rule of guessing applies")
    best = max(known, key=lambda r: float(r["accuracy"]))
    return Cell(f"{share(best['accuracy'])} {bracket(best['low'], best['high'])}", best["baseline"])


def noise_cell(noise: Sequence[Row], task: str) -> Cell:
    """Return the largest difference on ``task`` of two scorings that should not differ, and of which."""
    known = [r for r in noise if r["task"] == task and r["delta"]]
    if not known:
        return Cell("–", "one seed, asked once")
    widest = max(known, key=lambda r: abs(float(r["delta"])))
    told = f"{look(widest['method']).label}, {widest['kind']}"
    return Cell(f"{points(widest['delta'])} {bracket(widest['low'], widest['high'])}", told)


def accuracy_tables(rows: Sequence[Row]) -> list[Table]:
    """Return every estimate of every metric, task, method and seed."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        columns = {
            "Task": [r["task"] for r in some],
            "Metric": [r["metric"] for r in some],
            "Method": [look(r["method"]).label for r in some],
            "Seed": [r["seed"] for r in some],
            "Estimate, %": [share(r["estimate"]) for r in some],
            "Interval": [bracket(r["low"], r["high"]) for r in some],
            "n": [count(r["n"]) for r in some],
            "Groups": [count(r["groups"]) for r in some],
            "Kind of interval": [r["interval"] for r in some],
        }
        samples = {"Estimate, %": [samples_of(r, method=r["method"], **seed_of(r)) for r in some]}
        words = ("Metric", "Method", "Kind of interval")
        return table_of(caption, columns, words=words, source=source, samples=samples)

    return by_place(rows, build, "All estimates", "accuracy")


def seed_of(row: Row) -> dict[str, str]:
    """Return the seed that a row speaks of, nothing where it speaks of all."""
    return {} if row["seed"] == "all" else {"seed": row["seed"]}


def delta_tables(rows: Sequence[Row]) -> list[Table]:
    """Return every paired comparison."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        columns = {
            "Task": [r["task"] for r in some],
            "Method": [look(r["method"]).label for r in some],
            "Against": [look(r["against"]).label for r in some],
            "Difference, points": [points(r["delta"]) for r in some],
            "Interval": [bracket(r["low"], r["high"]) for r in some],
            "With other trainings": [bracket(r["seeds_low"], r["seeds_high"]) for r in some],
            "Answers": [count(r["n"]) for r in some],
            "Groups": [count(r["groups"]) for r in some],
            "Groups better": [count(r["better"]) for r in some],
            "Groups worse": [count(r["worse"]) for r in some],
            "p (McNemar)": [p_value(r["p_mcnemar"]) for r in some],
            "p (Holm)": [p_value(r["p_holm"]) for r in some],
            "Finding": [verdict(r).replace("unclear", "not detected") for r in some],
            "Status": ["primary" if is_primary(r) else "exploratory" for r in some],
        }
        samples = {
            column: [samples_of(r, right=r[right], wrong=r[wrong]) for r in some]
            for column, right, wrong in (
                ("Groups better", "method", "against"),
                ("Groups worse", "against", "method"),
            )
        }
        words = ("Method", "Against", "Finding", "Status")
        return table_of(caption, columns, words=words, source=source, samples=samples)

    return by_place(rows, build, "Paired comparisons", "deltas")


def category_tables(rows: Sequence[Row]) -> list[Table]:
    """Return categories and rules down, methods across, for the headline metric."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        methods = ordered(r["method"] for r in some)
        found = {(r["task"], r["category"], r["method"]): r for r in some}
        keys = list(dict.fromkeys((r["task"], r["category"], r["n"]) for r in some))
        columns = {
            "Task": [task for task, _, _ in keys],
            "Category or rule": [category for _, category, _ in keys],
            "n": [count(n) for _, _, n in keys],
        }
        samples = {}
        for method in methods:
            cells = [found.get((task, category, method)) for task, category, _ in keys]
            columns[look(method).label] = [
                f"{share(r['estimate'])} {bracket(r['low'], r['high'])}" if r else "–" for r in cells
            ]
            samples[look(method).label] = [
                samples_of(r, method=method, category=r["category"]) if r else "" for r in cells
            ]
        return table_of(caption, columns, words=("Category or rule",), source=source, samples=samples)

    return by_place(headline(rows), build, "Accuracy in percent by category and rule", "categories")


def rank_tables(rows: Sequence[Row]) -> list[Table]:
    """Return the places of all policies on every task, as ranges and tie groups."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        columns = {
            "Task": [r["task"] for r in some],
            "Method": [look(r["method"]).label for r in some],
            "Estimate, %": [share(r["estimate"]) for r in some],
            "Place": [place_of(r) for r in some],
            "Ties": [r["ties"] for r in some],
        }
        note = "Two policies that share a letter are not told apart; a place is a range for the same reason."
        return table_of(caption, columns, words=("Method", "Ties"), source=source, note=note)

    return by_place(rows, build, "Places instead of ranks", "ranks")


def place_of(row: Row) -> str:
    """Return the range of places of a row of ranks.csv."""
    best, worst = row["place_best"], row["place_worst"]
    return best if best == worst else f"{best}–{worst}"


def pair_tables(rows: Sequence[Row]) -> list[Table]:
    """Return the comparison of every two policies."""
    return by_place(rows, comparison, "Every two policies", "pairs")


def category_delta_tables(rows: Sequence[Row]) -> list[Table]:
    """Return the differences from the base within categories and rules."""
    return by_place(rows, comparison, "Differences from Base within categories and rules", "category_deltas")


def comparison(some: Sequence[Row], caption: str, source: str) -> Table:
    """Return comparisons with their findings after correction."""
    named = {"Category": [r["category"] for r in some]} if some and "category" in some[0] else {}
    columns = {
        "Task": [r["task"] for r in some],
        **named,
        "Method": [look(r["method"]).label for r in some],
        "Against": [look(r["against"]).label for r in some],
        "Difference, points": [points(r["delta"]) for r in some],
        "Interval": [bracket(r["low"], r["high"]) for r in some],
        "With other trainings": [bracket(r["seeds_low"], r["seeds_high"]) for r in some],
        "Answers gained": [count(r["gained"]) for r in some],
        "Answers lost": [count(r["lost"]) for r in some],
        "p (Holm)": [p_value(r["p_holm"]) for r in some],
        "Finding": [r["finding"].replace("unclear", "not detected") for r in some],
    }
    return table_of(caption, columns, words=("Category", "Method", "Against", "Finding"), source=source)


def transfer_tables(rows: Sequence[Row]) -> list[Table]:
    """Return methods down, tasks across: the difference from base, on the task trained for and on others."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        tasks = list(dict.fromkeys((r["task"], r["trained"]) for r in some))
        cells = {(r["task"], r["method"]): r for r in some}
        lines = [
            [Cell(look(m).label), *(transfer_cell(cells.get((task, m))) for task, _ in tasks)]
            for m in ordered(r["method"] for r in some)
        ]
        heads = [f"{task} ({'trained for' if own == 'true' else 'not trained for'})" for task, own in tasks]
        return Table(caption, ["Method", *heads], lines, source=source)

    against_base = [r for r in headline(rows) if r["against"] == "base"]
    return by_place(against_base, build, "Difference from Base in percentage points, task by task", "deltas")


def transfer_cell(row: Row | None) -> Cell:
    """Return a difference with its interval and what it finds."""
    if row is None:
        return Cell("not run")
    return Cell(points(row["delta"]), bracket(row["low"], row["high"]), verdict(row).replace("unclear", ""))


def baseline_tables(rows: Sequence[Row]) -> list[Table]:
    """Return what guessing scores."""
    columns = {
        "Task": [r["task"] for r in rows],
        "Baseline": [r["baseline"] for r in rows],
        "Accuracy, %": [share(r["accuracy"]) for r in rows],
        "Interval": [bracket(r["low"], r["high"]) for r in rows],
        "Chance, %": [share(r["chance"]) for r in rows],
        "n": [count(r["n"]) for r in rows],
        "What it looks at": [r["looks_at"] for r in rows],
    }
    words = ("Baseline", "What it looks at")
    return [table_of("What guessing scores", columns, words=words, source="baselines")] if rows else []


def noise_tables(rows: Sequence[Row]) -> list[Table]:
    """Return what differs between scorings that should not differ."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        columns = {
            "Task": [r["task"] for r in some],
            "Method": [look(r["method"]).label for r in some],
            "What differs": [r["kind"] for r in some],
            "Seeds": [r["seeds"] for r in some],
            "Difference, points": [points(r["delta"]) for r in some],
            "Interval": [bracket(r["low"], r["high"]) for r in some],
            "Scored otherwise, %": [share(r["changed"]) for r in some],
            "Worded otherwise, %": [share(r["reworded"]) for r in some],
            "n": [count(r["n"]) for r in some],
        }
        return table_of(caption, columns, words=("Method", "What differs"), source=source)

    return by_place(rows, build, "Scorings that should not differ", "noise")


def frontier_tables(rows: Sequence[Row]) -> list[Table]:
    """Return what scorers make of every policy's answers."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        columns = {
            "Task": [r["task"] for r in some],
            "Scorer": [r["scorer"] for r in some],
            "Method": [look(r["method"]).label for r in some],
            "Seed": [r["seed"] for r in some],
            "Mean reward": [significant(r["reward"]) for r in some],
            "Gain over Base": [significant(r["delta"]) for r in some],
            "Its interval": [within(r["low"], r["high"]) for r in some],
            "Wins over Base, %": [share(r["win"]) for r in some],
            "Interval of the wins": [bracket(r["win_low"], r["win_high"]) for r in some],
            "Divergence, nats": [significant(r["kl"]) for r in some],
            "Tokens": [significant(r["tokens"]) for r in some],
            "n": [count(r["n"]) for r in some],
        }
        return table_of(caption, columns, words=("Scorer", "Method"), source=source)

    return by_place(rows, build, "What scorers make of the answers", "frontier")


def win_tables(rows: Sequence[Row]) -> list[Table]:
    """Return what a judge makes of every policy's answers, and what tells how far to believe it."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        columns = {
            "Task": [r["task"] for r in some],
            "Judge": [r["judge"] for r in some],
            "Method": [look(r["method"]).label for r in some],
            "Seed": [r["seed"] for r in some],
            "Wins over Base, %": [share(r["win"]) for r in some],
            "Interval": [bracket(r["win_low"], r["win_high"]) for r in some],
            "With other trainings": [bracket(r["seeds_low"], r["seeds_high"]) for r in some],
            "At equal length, %": [share(r["equal_length"]) for r in some],
            "Its interval": [
                bracket(r["equal_length_low"], r["equal_length_high"])
                if r["equal_length"]
                else r["equal_length_interval"]
                for r in some
            ],
            "Wins": [count(r["wins"]) for r in some],
            "Losses": [count(r["losses"]) for r in some],
            "Split": [count(r["split"]) for r in some],
            "Equal": [count(r["equal"]) for r in some],
            "Unparsed": [count(r["unparsed"]) for r in some],
            "Names the first, %": [share(r["first_share"]) for r in some],
            "Names the right one, %": [share(r["agreement"]) for r in some],
            "Interval of that": [bracket(r["agreement_low"], r["agreement_high"]) for r in some],
            "Right against wrong": [count(r["exact"]) for r in some],
        }
        note = "Split (the judge names another one in the other order) and equal count one half."
        return table_of(caption, columns, words=("Judge", "Method", "Its interval"), source=source, note=note)

    return by_place(rows, build, "Whose answer a judge finds better", "wins")


def within(low: str, high: str) -> str:
    """Return the interval of a number that is no share."""
    return f"[{significant(low)}, {significant(high)}]" if low and high else "[no interval]"


def calibration_tables(rows: Sequence[Row]) -> list[Table]:
    """Return confidence, accuracy, calibration error and Brier score."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        columns = {
            "Task": [r["task"] for r in some],
            "Method": [look(r["method"]).label for r in some],
            "Quantity": [r["quantity"].replace("_", " ") for r in some],
            "Estimate, %": [share(r["estimate"]) for r in some],
            "Interval": [bracket(r["low"], r["high"]) for r in some],
            "n": [count(r["n"]) for r in some],
        }
        return table_of(caption, columns, words=("Method", "Quantity"), source=source)

    return by_place(rows, build, "How far confidence can be believed", "calibration")


def length_tables(rows: Sequence[Row]) -> list[Table]:
    """Return how long answers are."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        columns = {
            "Task": [r["task"] for r in some],
            "Method": [look(r["method"]).label for r in some],
            "Answers": [r["answers"] for r in some],
            "Mean tokens": [significant(r["tokens"]) for r in some],
            "Interval": [within(r["low"], r["high"]) for r in some],
            "Median": [significant(r["median"]) for r in some],
            "95th percentile": [significant(r["p95"]) for r in some],
            "Longer than Base by": [significant(r["delta"]) for r in some],
            "Its interval": [within(r["delta_low"], r["delta_high"]) for r in some],
            "Correlation with gain": [significant(r["correlation"]) for r in some],
            "n": [count(r["n"]) for r in some],
        }
        return table_of(caption, columns, words=("Method", "Answers"), source=source)

    return by_place(rows, build, "Length of the answers", "lengths")


def efficiency_tables(rows: Sequence[Row]) -> list[Table]:
    """Return what each method gains for its cost."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        columns = {
            "Task": [r["task"] for r in some],
            "Method": [look(r["method"]).label for r in some],
            "Builds on": [r["builds_on"] or "–" for r in some],
            "Cost": [f"{significant(r['cost'])} {r['quantity']}" for r in some],
            "Gain, points": [points(r["delta"]) for r in some],
            "Points per unit": [points_per(r["delta_per_unit"]) for r in some],
            "From": [points_per(r["low_per_unit"]) for r in some],
            "To": [points_per(r["high_per_unit"]) for r in some],
        }
        return table_of(caption, columns, words=("Method", "Builds on"), source=source)

    return by_place(rows, build, "Gain over Base for the cost of training", "efficiency")


def points_per(cell: str) -> str:
    """Return percentage points per unit of cost."""
    return significant(str(100 * float(cell))) if cell else "–"


def subset_tables(rows: Sequence[Row]) -> list[Table]:
    """Return the accuracy on all problems, and on those that training has seen and has not."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        columns = {
            "Task": [r["task"] for r in some],
            "Problems": [r["subset"] for r in some],
            "Method": [look(r["method"]).label for r in some],
            "Accuracy, %": [share(r["estimate"]) for r in some],
            "Interval": [bracket(r["low"], r["high"]) for r in some],
            "Difference from base, points": [points(r["delta"]) for r in some],
            "Its interval": [bracket(r["delta_low"], r["delta_high"]) for r in some],
            "Answers": [count(r["n"]) for r in some],
            "Groups": [count(r["groups"]) for r in some],
        }
        everything = [samples_of(r, method=r["method"]) if r["subset"] == "all" else "" for r in some]
        samples = {"Accuracy, %": everything}
        return table_of(caption, columns, words=("Problems", "Method"), source=source, samples=samples)

    return by_place(rows, build, "All, clean and contaminated problems", "subsets")


def reward_tables(rows: Sequence[Row]) -> list[Table]:
    """Return how often and by how much the reward model prefers the better answer."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        columns = {
            "Task": [r["task"] for r in some],
            "Method": [look(r["method"]).label for r in some],
            "Seed": [r["seed"] for r in some],
            "Ranked right, %": [share(r["estimate"]) for r in some],
            "Interval": [bracket(r["low"], r["high"]) for r in some],
            "Pairs": [count(r["n"]) for r in some],
            "Groups": [count(r["groups"]) for r in some],
            "Mean margin": [significant(r["margin"]) for r in some],
        }
        return table_of(caption, columns, source=source)

    return by_place(rows, build, "Held-out pairs", "rewards")


def sweep_tables(rows: Sequence[Row]) -> list[Table]:
    """Return every trial of every sweep on dev, and which one was chosen."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        lines = [r for method in ordered(r["method"] for r in some) for r in some if r["method"] == method]
        columns = {
            "Method": [look(r["method"]).label for r in lines],
            "Settings": [r["settings"] for r in lines],
            "Task": [r["task"] for r in lines],
            "Accuracy on dev, %": [share(r["estimate"]) for r in lines],
            "Interval": [bracket(r["low"], r["high"]) for r in lines],
            "Difference to best, points": [points(r["difference"]) for r in lines],
            "Its interval": [bracket(r["difference_low"], r["difference_high"]) for r in lines],
            "n": [count(r["n"]) for r in lines],
            "Groups": [count(r["groups"]) for r in lines],
            "Outcome": [outcome_of(r) for r in lines],
            "Time": [duration(float(r["seconds_total"])) if r["seconds_total"] else "–" for r in lines],
        }
        words = ("Settings", "Task", "Outcome")
        return table_of(caption, columns, words=words, source=source)

    return by_place(rows, build, "All trials of all sweeps", "sweeps")


def outcome_of(trial: Row) -> str:
    """Return in words what became of a row of sweeps.csv."""
    if trial["failure"]:
        return f"failed: {trial['failure']}"
    tied = "tied with the best" if trial["tied"] == "true" else ""
    return "chosen" if trial["chosen"] == "true" else tied


def curve_tables(rows: Sequence[Row]) -> list[Table]:
    """Return the last logged value of every quantity and run."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        last: dict[tuple[str, str, str], Row] = {}
        for row in some:
            key = (row["method"], row["quantity"], row["seed"])
            if key not in last or int(row["step"]) >= int(last[key]["step"]):
                last[key] = row
        ends = [
            r for method in ordered(r["method"] for r in some) for r in last.values() if r["method"] == method
        ]
        columns = {
            "Method": [look(r["method"]).label for r in ends],
            "Quantity": [r["quantity"] for r in ends],
            "Seed": [r["seed"] for r in ends],
            "Last step": [count(r["step"]) for r in ends],
            "Value there": [significant(r["value"]) for r in ends],
        }
        return table_of(caption, columns, words=("Quantity",), source=source)

    return by_place(rows, build, "Last logged values", "curves")


def cost_tables(rows: Sequence[Row]) -> list[Table]:
    """Return time, memory and throughput of every run."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        lines = [r for method in ordered(r["method"] for r in some) for r in some if r["method"] == method]
        columns = {
            "Method": [look(r["method"]).label for r in lines],
            "Seed": [r["seed"] for r in lines],
            "Time": [duration(float(r["seconds_total"])) for r in lines],
            "Training": [duration(float(r["seconds_training"])) for r in lines],
            "Tokens": [count(r["tokens"]) for r in lines],
            "Tokens/s": [count(r["tokens_per_second"]) for r in lines],
            "Peak RSS, MiB": [count(r["peak_rss_mib"]) for r in lines],
            "Peak GPU, MiB": [count(r["peak_gpu_mib"]) for r in lines],
            "GPU hours": [significant(r["gpu_hours"]) for r in lines],
            "Energy, kWh": [significant(r["energy_kwh"]) for r in lines],
            "USD": [significant(r["usd"]) for r in lines],
            "MFU, %": [share(r["mfu"]) for r in lines],
            "Steps": [count(r["steps"]) for r in lines],
            "Rows": [count(r["rows"]) for r in lines],
            "Budget": [budget_of(r) for r in lines],
            "Used": [count(r["budget_used"]) for r in lines],
        }
        return table_of(caption, columns, source=source)

    return by_place(rows, build, "Cost of every training run", "costs")


def budget_of(row: Row) -> str:
    """Return the budget of a run in words; a dash where its own settings said when it ended."""
    return f"{count(row['budget_amount'])} {row['budget_unit']}" if row["budget_unit"] else "–"


def funnel_tables(rows: Sequence[Row]) -> list[Table]:
    """Return rows in and out of every step with the reasons."""
    columns = {
        "Dataset": [r["dataset"] for r in rows],
        "Stage": [r["stage"] for r in rows],
        "Step": [r["step"] for r in rows],
        "Rows in": [count(r["rows_in"]) for r in rows],
        "Rows out": [count(r["rows_out"]) for r in rows],
        "Why rows are lost": [r["reason"] for r in rows],
    }
    words = ("Stage", "Step", "Why rows are lost")
    return [table_of("Rows in and out", columns, words=words, source="funnel")] if rows else []


def teacher_tables(cards: Sequence[dict[str, Any]]) -> list[Table]:
    """Return the tournament of teachers and prompts of each dataset, from the choice files."""
    found = []
    for card in (c for c in cards if "choices" in c):
        lines = card["table"]
        kept = {(teacher, choice["prompt"]) for teacher, choice in card["choices"].items() if choice["kept"]}

        def estimates(name: str, shown: Callable[[str], str], lines: Sequence[Any] = lines) -> list[str]:
            cells = [[cell_of(e[f"{name}{end}"]) for end in ("", "_low", "_high")] for e in lines]
            return [f"{shown(value)} {bracket(low, high)}" for value, low, high in cells]

        columns = {
            "Teacher": [str(e["teacher"]) for e in lines],
            "Prompt": [str(e["prompt"]) for e in lines],
            "Problems": [count(str(e["problems"])) for e in lines],
            "Samples": [count(str(e["samples"])) for e in lines],
            "Right": [count(str(e["right"])) for e in lines],
            "Yield, %": estimates("yield", share),
            "Difference to best, points": estimates("difference", points),
            "Accuracy, %": estimates("accuracy", share),
            "Unparsed, %": [share(str(e["unparsed_rate"])) for e in lines],
            "Truncated, %": [share(str(e["truncated_rate"])) for e in lines],
            "Tokens per right": [significant(cell_of(e["tokens_per_right"])) for e in lines],
            "USD per right": [significant(cell_of(e["usd_per_right"])) for e in lines],
            "Steps": [significant(cell_of(e["mean_steps"])) for e in lines],
            "Words": [significant(cell_of(e["mean_words"])) for e in lines],
            "Repeated, %": [share(str(e["mean_repetition"])) for e in lines],
            "Choice": [
                "used" if (e["teacher"], e["prompt"]) in kept else "tied with the best" * e["tied"]
                for e in lines
            ],
        }
        caption, note = (
            f"Teachers and prompts on a slice of dev: {card['dataset']}",
            f"Choice: {card['rule_in_words']}. Yield: right answers among all samples; accuracy: among the "
            "answers that could be read; the difference in yield is paired by problem. Steps, words and "
            "repeated 4-grams are means per sample.",
        )
        found.append(table_of(caption, columns, words=("Prompt", "Choice"), note=note))
    return found


def rationale_tables(cards: Sequence[dict[str, Any]]) -> list[Table]:
    """Return what became of every teacher's samples by category, from the cards of verification."""
    found = []
    for card in (c for c in cards if "stage" in c and c["stage"] == "rationales"):
        lines = card["by_category"]
        columns = {name: [str(e[name.lower()]) for e in lines] for name in ("Teacher", "Category")}
        for step in ("Asked", "Answered", "Parsed", "Right", "Kept"):
            columns[step] = [count(str(e[step.lower()])) for e in lines]
        lost = [[f"{number} {reason}" for reason, number in e["lost"].items()] for e in lines]
        columns["Why rows are lost"] = [", ".join(reasons) for reasons in lost]
        caption = f"Samples from asked to kept: {card['dataset']}"
        found.append(table_of(caption, columns, words=("Category", "Why rows are lost")))
    return found


def detection_tables(cards: Sequence[dict[str, Any]]) -> list[Table]:
    """Return what each limit of agreement finds of the problems known to be ambiguous."""
    found = []
    for card in (c for c in cards if "stage" in c and c["stage"] == "rationales" and c["detection"]):
        told = card["detection"]
        columns = {
            "Ambiguous below": [share(str(e["ambiguous_below"])) for e in told["thresholds"]],
            "Problems flagged": [count(str(e["flagged"])) for e in told["thresholds"]],
            "Precision, %": [share(cell_of(e["precision"])) for e in told["thresholds"]],
            "Recall, %": [share(cell_of(e["recall"])) for e in told["thresholds"]],
        }
        scores = [f"{e['score'].replace('_', ' ')} {share(str(e['auroc']))}" for e in told["scores"]]
        caption = f"Limits of agreement in percent, and what they find: {card['dataset']}"
        note = (
            f"{told['planted']} ambiguous and {told['sound']} other problems. "
            f"In use: {card['ambiguity_rule']}. AUROC in percent by score: {', '.join(scores)}."
        )
        found.append(table_of(caption, columns, note=note))
    return found


def label_tables(cards: Sequence[dict[str, Any]]) -> list[Table]:
    """Return how well the votes find the labels known to be wrong."""
    found = []
    for card in (c for c in cards if "stage" in c and c["stage"] == "rationales" and c["label_detection"]):
        told = card["label_detection"]
        columns = {
            "Score": [str(e["score"]).replace("_", " ") for e in told["scores"]],
            "AUROC, %": [share(str(e["auroc"])) for e in told["scores"]],
            "Average precision, %": [share(str(e["average_precision"])) for e in told["scores"]],
        }
        precision, recall = (share(cell_of(told[name])) for name in ("precision", "recall"))
        caption = f"How well votes find wrong labels: {card['dataset']}"
        note = (
            f"{told['planted']} labels are wrong and {told['sound']} sound. A label is suspect by the rule: "
            f"{card['suspect_rule']}. It flags {told['flagged']}: precision {precision} %, recall {recall} %."
        )
        found.append(table_of(caption, columns, note=note))
    return found


def dataset_tables(cards: Sequence[dict[str, Any]]) -> list[Table]:
    """Return the size, licence and source of each dataset, from the cards of the data stage."""
    lines = [c for c in cards if "stage" in c and c["stage"] == "data"]
    if not lines:
        return []
    columns = {"Dataset": [str(c["dataset"]) for c in lines]}
    for split in ("train", "dev", "test"):
        columns[split] = [count(str(c["rows"][split])) for c in lines]
    columns["Licence"] = [str(c["licence"]) for c in lines]
    columns["Citation"] = [str(c["citation"]) for c in lines]
    return [table_of("Problems in each split", columns, words=("Licence", "Citation"))]


def input_table(manifests: Sequence[Mapping[str, Any]]) -> Table:
    """Return the datasets, models and adapters of teachers that went in, with origin, revision and digest."""
    roles = [next(role for role in ROLES if role in manifest) for manifest in manifests]

    def pick(manifest: Mapping[str, Any], *keys: str) -> str:
        parts = manifest.get("sources", [manifest])
        found = [next((str(part[key]) for key in keys if part.get(key)), "–") for part in parts]
        return ", ".join(dict.fromkeys(found))

    columns = {
        "Input": [str(m[role]) for m, role in zip(manifests, roles, strict=True)],
        "Role": roles,
        "Kind": [pick(m, "kind") for m in manifests],
        "From": [pick(m, "repo", "path", "generator") for m in manifests],
        "Revision": [pick(m, "revision")[:SHORT_DIGEST] for m in manifests],
        "Manifest (SHA-256)": [str(m["manifest_sha256"])[:SHORT_DIGEST] for m in manifests],
    }
    return table_of("Data and models that went in", columns, words=list(columns)[1:])


def cell_of(value: Any) -> str:
    """Return a JSON value as a CSV cell: nothing for null."""
    return "" if value is None else str(value)


def check_tables(checks: Mapping[str, Any]) -> list[Table]:
    """Return the outcome of every check on the results, what did not pass first."""
    if not checks:
        return []
    lines = sorted(checks["tests"], key=lambda test: str(test["outcome"]) == "passed")
    columns = {
        "Check": [str(t["name"]).removeprefix("test_").replace("_", " ") for t in lines],
        "Outcome": [str(t["outcome"]) for t in lines],
        "Message": [str(t["message"]) for t in lines],
    }
    return [table_of("Checks on the results", columns, words=("Outcome", "Message"))]


def all_tables(
    rows: Mapping[str, Sequence[Row]], cards: Sequence[dict[str, Any]], checks: Mapping[str, Any]
) -> dict[str, list[Table]]:
    """Return every table of the page by the name under which the template knows it."""
    return {
        "headline": headline_tables(rows["accuracy"], rows["deltas"], rows["baselines"], rows["noise"]),
        "accuracy": accuracy_tables(rows["accuracy"]),
        "deltas": delta_tables(rows["deltas"]),
        "transfer": transfer_tables(rows["deltas"]),
        "ranks": rank_tables(rows["ranks"]),
        "pairs": pair_tables(rows["pairs"]),
        "category_deltas": category_delta_tables(rows["category_deltas"]),
        "baselines": baseline_tables(rows["baselines"]),
        "noise": noise_tables(rows["noise"]),
        "frontier": frontier_tables(rows["frontier"]),
        "wins": win_tables(rows["wins"]),
        "calibration": calibration_tables(rows["calibration"]),
        "lengths": length_tables(rows["lengths"]),
        "efficiency": efficiency_tables(rows["efficiency"]),
        "subsets": subset_tables(rows["subsets"]),
        "categories": category_tables(rows["categories"]),
        "rewards": reward_tables(rows["rewards"]),
        "sweeps": sweep_tables(rows["sweeps"]),
        "curves": curve_tables(rows["curves"]),
        "costs": cost_tables(rows["costs"]),
        "funnel": funnel_tables(rows["funnel"]),
        "teachers": teacher_tables(cards),
        "rationales": rationale_tables(cards),
        "detection": detection_tables(cards),
        "labels": label_tables(cards),
        "datasets": dataset_tables(cards),
        "checks": check_tables(checks),
    }
