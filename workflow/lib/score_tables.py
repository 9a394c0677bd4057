"""The tables of scores: accuracy, comparisons, places, what guessing scores, and the floor of the noise."""

from collections.abc import Mapping, Sequence

from workflow.lib.figures import Row, facet_rows, facets, headline, look, ordered
from workflow.lib.findings import is_primary, of_place, places
from workflow.lib.tables import Cell, Table, by_place, samples_of, table_of
from workflow.lib.verdicts import verdict
from workflow.lib.wording import bracket, count, p_value, points, share


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


def paired_columns(some: Sequence[Row]) -> dict[str, list[str]]:
    """Return who is compared with whom, and the difference with both its intervals."""
    return {
        "Method": [look(r["method"]).label for r in some],
        "Against": [look(r["against"]).label for r in some],
        "Difference, points": [points(r["delta"]) for r in some],
        "Interval": [bracket(r["low"], r["high"]) for r in some],
        "With other trainings": [bracket(r["seeds_low"], r["seeds_high"]) for r in some],
    }


def delta_tables(rows: Sequence[Row]) -> list[Table]:
    """Return every paired comparison."""

    def build(some: Sequence[Row], caption: str, source: str) -> Table:
        columns = {
            "Task": [r["task"] for r in some],
            **paired_columns(some),
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
        **paired_columns(some),
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


def subset_of(row: Row) -> dict[str, str]:
    """Return the clean or contaminated problems that a row speaks of, nothing where it speaks of all."""
    return {} if row["subset"] == "all" else {"subset": row["subset"]}


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
        samples = {"Accuracy, %": [samples_of(r, method=r["method"], **subset_of(r)) for r in some]}
        return table_of(caption, columns, words=("Problems", "Method"), source=source, samples=samples)

    return by_place(rows, build, "All, clean and contaminated problems", "subsets")
