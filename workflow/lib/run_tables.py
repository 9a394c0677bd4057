"""The tables of runs: sweeps, curves, costs, what a gain costs, jobs, rows in and out, and the checks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workflow.lib.figures import Row, look, ordered
from workflow.lib.requests import time_in_words
from workflow.lib.tables import Table, by_place, table_of
from workflow.lib.wording import bracket, count, duration, points, share, significant


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


def request_tables(rows: Sequence[Row]) -> list[Table]:
    """Return what the jobs of each rule used of what they asked for."""
    columns = {
        "Rule": [r["rule"] for r in rows],
        "Stage": [r["stage"] for r in rows],
        "Jobs": [count(r["jobs"]) for r in rows],
        "Measured": [count(r["measured"]) for r in rows],
        "Median time": [told(r["seconds_median"], duration) for r in rows],
        "Longest": [told(r["seconds_max"], duration) for r in rows],
        "Time asked for": [told(r["runtime_min"], time_in_words) for r in rows],
        "Used, %": [share(r["runtime_used"]) for r in rows],
        "Peak memory, MiB": [count(r["peak_rss_mib"]) for r in rows],
        "Memory asked for, MB": [count(r["mem_mb"]) for r in rows],
        "Used of it, %": [share(r["mem_used"]) for r in rows],
        "Threads": [count(r["threads"]) for r in rows],
        "Cores busy": [significant(r["cores_used"]) for r in rows],
        "GPUs": [count(r["gpus"]) for r in rows],
    }
    note = (
        "Memory is that of a job’s processes, not of a GPU. A dash: nothing was asked for, or no job was "
        "long enough to be looked at. Where jobs of one rule ask for different things: the most."
    )
    caption = "What jobs took of what they had asked for"
    return [table_of(caption, columns, words=("Stage",), source="resources", note=note)] if rows else []


def told(cell: str, words: Callable[[float], str]) -> str:
    """Return the number in a cell in words, a dash where there is none."""
    return words(float(cell)) if cell else "–"


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


def reason_tables(jobs: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return why the last job on each output ran, by rule."""
    if not jobs:
        return []
    groups: dict[tuple[str, str], list[str]] = {}
    for job in jobs:
        groups.setdefault((job["rule"], ", ".join(job["reasons"])), []).append(job["begun"])
    columns = {
        "Rule": [rule for rule, _ in groups],
        "Jobs": [count(str(len(begun))) for begun in groups.values()],
        "Why": [why for _, why in groups],
        "Last call": [max(begun) for begun in groups.values()],
    }
    return [table_of("Why each job ran", columns, words=("Why", "Last call"))]


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
