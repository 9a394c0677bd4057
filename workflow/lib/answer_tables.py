"""The tables of answers: what scorers and judges make of them, how sure and how long they are."""

from collections.abc import Sequence

from workflow.lib.figures import Row, look
from workflow.lib.tables import Table, by_place, table_of, within
from workflow.lib.wording import bracket, count, share, significant


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
