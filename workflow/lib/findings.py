"""What the numbers say in plain words: sentences chosen by rules from the tables of the analysis.

What ``workflow.lib.verdicts`` does not call better or worse is "no difference that this study could detect",
with the difference that it could have detected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workflow.lib.figures import Facet, Row, facet_rows, facets, headline, look, ordered
from workflow.lib.verdicts import Verdict, verdict
from workflow.lib.wording import bracket, count, duration, listed, p_value, plural, points, share, significant

FEW_SEEDS = 5  # below this many trainings, how far another one would differ is hardly known


@dataclass(frozen=True)
class Summary:
    """What was found for one dataset and model."""

    place: str  # dataset and model
    answer: str  # the pre-registered comparison
    points: list[str]  # everything else, most important first


def is_primary(row: Row) -> bool:
    """Return whether the study named this comparison before it ran."""
    return row["primary"].lower() == "true"


def places(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return the distinct (dataset, model) of ``rows`` in order of appearance."""
    return list(dict.fromkeys((r["dataset"], r["model"]) for r in rows))


def of_place(rows: Sequence[Row], place: tuple[str, str]) -> list[Row]:
    """Return the rows of one (dataset, model)."""
    return [r for r in rows if (r["dataset"], r["model"]) == place]


def summaries(tables: Mapping[str, Sequence[Row]]) -> list[Summary]:
    """Return one summary for each dataset and model that was scored."""
    found = []
    for place in places(tables["accuracy"]):
        here = {name: of_place(tables[name], place) for name in ("accuracy", "deltas", "rewards", "costs")}
        accuracy, deltas = headline(here["accuracy"]), headline(here["deltas"])
        found.append(
            Summary(
                place=" · ".join(place),
                answer=answer(accuracy, deltas),
                points=[
                    *against_base(deltas),
                    *beyond_sft(deltas),
                    *highest(accuracy, deltas),
                    *ties(of_place(tables["ranks"], place), deltas),
                    *reward_gains(of_place(tables["frontier"], place)),
                    *judged(of_place(tables["wins"], place)),
                    *ranking(here["rewards"]),
                    *cost(here["costs"]),
                    *caution(accuracy, deltas),
                ],
            )
        )
    return found


def answer(accuracy: Sequence[Row], deltas: Sequence[Row]) -> str:
    """Return the outcome of the primary comparison as one or two sentences."""
    named = [row for row in deltas if is_primary(row)]
    if not named:
        return "The comparison that the study was made for has not been run."
    row = named[0]
    method, rival, task = look(row["method"]).label, look(row["against"]).label, row["task"]
    sure = f"{interval_of(row)}, Holm-corrected p\u00a0{equals(p_value(row['p_holm']))}, {size(row)}"
    how_sure = sure + other_trainings(row)
    if verdict(row) == "unclear":
        return (
            f"No difference that this study could detect between {method} and {rival} on {task}: "
            f"{points(row['delta'])} percentage points ({how_sure}).{could_have_found(row)}"
        )
    return (
        f"{method} is {verdict(row)} than {rival} on {task}: {scores(accuracy, row)}a difference of "
        f"{points(row['delta'])} percentage points ({how_sure})."
    )


def other_trainings(row: Row) -> str:
    """Return the interval that counts in how far the seeds differ, where there are several."""
    if not row["seeds_low"]:
        return ""
    return f"; counting in other trainings {bracket(row['seeds_low'], row['seeds_high'])}"


def scores(accuracy: Sequence[Row], row: Row) -> str:
    """Return the two accuracies behind a difference, as ``72.0 % against 55.0 %, ``."""
    whole = {r["method"]: r for r in accuracy if r["task"] == row["task"] and r["seed"] == "all"}
    if row["method"] not in whole or row["against"] not in whole:
        return ""
    ours, theirs = whole[row["method"]]["estimate"], whole[row["against"]]["estimate"]
    return f"{share(ours)}\u202f% of the answers are right against {share(theirs)}\u202f%, "


def could_have_found(row: Row) -> str:
    """Return the difference that the comparison would have found, where the table has it."""
    if "detectable" not in row or not row["detectable"]:
        return ""
    return f" A true difference of {share(row['detectable'])} points would be found four times in five."


def against_base(deltas: Sequence[Row]) -> list[str]:
    """Return one sentence per task on how every method compares with the base model."""
    rows = [r for r in deltas if r["against"] == "base"]
    return [outcome(place, facet_rows(rows, place), "Against Base") for place in facets(rows)]


def beyond_sft(deltas: Sequence[Row]) -> list[str]:
    """Return one sentence on how the methods compare with SFT on the task of the primary comparison."""
    tasks = {r["task"] for r in deltas if is_primary(r)}
    rows = [r for r in deltas if r["against"] == "sft" and r["task"] in tasks]
    return [outcome(place, facet_rows(rows, place), "Against SFT") for place in facets(rows)]


def outcome(place: Facet, rows: Sequence[Row], opening: str) -> str:
    """Return which methods are better, worse or neither, with their differences in points."""
    groups: dict[Verdict, list[str]] = {"better": [], "worse": [], "unclear": []}
    for method in ordered(r["method"] for r in rows):
        row = next(r for r in rows if r["method"] == method)
        groups[verdict(row)].append(f"{look(method).label} ({points(row['delta'])})")
    words = {
        "better": "better by points of accuracy: ",
        "worse": "worse: ",
        "unclear": "no difference that this study could detect: ",
    }
    parts = [words[kind] + listed(names) for kind, names in groups.items() if names]
    return f"{opening} on {place.task}, {'; '.join(parts)}."


def highest(accuracy: Sequence[Row], deltas: Sequence[Row]) -> list[str]:
    """Return which method scored highest on the task of the primary comparison."""
    tasks = {r["task"] for r in deltas if is_primary(r)}
    rows = [r for r in accuracy if r["seed"] == "all" and r["task"] in tasks and r["estimate"]]
    if not rows:
        return []
    best = max(rows, key=lambda r: float(r["estimate"]))
    return [
        f"Highest accuracy on {best['task']}: {look(best['method']).label}, {share(best['estimate'])}\u202f% "
        f"({interval_of(best)}, {size(best)}). The highest of several estimates is on average too high."
    ]


def ties(ranks: Sequence[Row], deltas: Sequence[Row]) -> list[str]:
    """Return which policies tie on the task of the primary comparison, the best group first."""
    tasks = {r["task"] for r in deltas if is_primary(r)}
    rows = [r for r in ranks if r["task"] in tasks]
    groups = {
        letter: [look(r["method"]).label for r in rows if letter in r["ties"]]
        for letter in sorted({letter for r in rows for letter in r["ties"]})
    }
    told = "; ".join(listed(names) for names in groups.values())
    return [f"Groups on {tasks.pop()} that this study cannot tell apart, best first: {told}."] if rows else []


def reward_gains(frontier: Sequence[Row]) -> list[str]:
    """Return how often each policy's answers score above the base's, and how far it has moved for that."""
    whole = [r for r in frontier if r["seed"] == "all" and r["win"]]
    told = []
    for task, scorer in dict.fromkeys((r["task"], r["scorer"]) for r in whole):
        rows = [r for r in whole if (r["task"], r["scorer"]) == (task, scorer)]
        sizes = listed(list(dict.fromkeys(map(size, rows))))
        found = listed([won(r) for r in rows])
        told.append(f"Answers on {task} that score above the base's by {scorer}: {found} ({sizes} each).")
    return told


def won(row: Row) -> str:
    """Return the win rate of a method with its interval and, where a table has it, its divergence."""
    moved = f", {significant(row['kl'])}\u00a0nats from the base" if row.get("kl") else ""
    ends = bracket(row["win_low"], row["win_high"])
    return f"{look(row['method']).label} {share(row['win'])}\u202f% {ends}{moved}"


def judged(wins: Sequence[Row]) -> list[str]:
    """Return how often a judge prefers each policy's answers to the base's, and how far to believe it."""
    whole = [r for r in wins if r["seed"] == "all" and r["win"]]
    told = []
    for task, judge in dict.fromkeys((r["task"], r["judge"]) for r in whole):
        rows = [r for r in whole if (r["task"], r["judge"]) == (task, judge)]
        sizes = listed(list(dict.fromkeys(size(r, "pairs") for r in rows)))
        names = [f"{look(r['method']).label} {agreed(r)}" for r in rows if r["agreement"]]
        told.append(
            f"Answers on {task} that the judge {judge} finds better than the base's: "
            f"{listed([won(r) for r in rows])} ({sizes} each; half would be no difference)."
            + (f" Of a right and a wrong answer it names the right one: {listed(names)}." if names else "")
        )
    return told


def agreed(row: Row) -> str:
    """Return how often a judge names the right one of a right and a wrong answer."""
    ends = bracket(row["agreement_low"], row["agreement_high"])
    return f"{share(row['agreement'])}\u202f% {ends} of {plural(int(row['exact']), 'pair')}"


def ranking(rewards: Sequence[Row]) -> list[str]:
    """Return how well the reward model ranks held-out pairs, over all seeds where the table has that."""
    whole = [r for r in rewards if r["seed"] == "all"] or list(rewards)
    return [
        f"The reward model ranks {share(r['estimate'])}\u202f% of the held-out pairs of {r['task']} right "
        f"({interval_of(r)}, {size(r, 'pairs')}{'' if r['seed'] == 'all' else ', seed ' + r['seed']})."
        for r in whole
        if r["estimate"]
    ]


def cost(costs: Sequence[Row]) -> list[str]:
    """Return the quickest and the slowest training run."""
    if not costs:
        return []
    by_time = sorted(costs, key=lambda r: float(r["seconds_total"]))
    ends = [f"{duration(float(r['seconds_total']))} ({look(r['method']).label})" for r in by_time]
    return [f"One training run took from {ends[0]} to {ends[-1]}; {plural(len(ends), 'run')} in all."]


def requests(rules: Sequence[Row]) -> list[str]:
    """Return what jobs should ask a scheduler for, from resources.csv."""
    if not rules:
        return []
    lost = sum(int(r["jobs"]) - int(r["measured"]) for r in rules)
    untold = [f"{plural(lost, 'job')} left no measurement: the benchmark file is missing."] if lost else []
    if not any(r["mem_mb"] or r["runtime_min"] for r in rules):
        return ["No job asked for memory or time, so there is nothing to compare.", *untold]
    advice = [r[name] for r in rules for name in ("advice_memory", "advice_time") if r[name]]
    return [
        *(advice or ["No rule with enough jobs to tell asked for much more or less than it took."]),
        *untold,
    ]


def caution(accuracy: Sequence[Row], deltas: Sequence[Row]) -> list[str]:
    """Return what a reader should hold against these numbers."""
    seeds = {r["seed"] for r in accuracy if r["seed"] != "all" and r["method"] != "base"}
    notes = []
    if 0 < len(seeds) < FEW_SEEDS:
        notes.append(
            f"Each method was trained with {plural(len(seeds), 'seed')}: the intervals tell of other "
            "problems, and hardly of how far another training would differ."
        )
    if len(deltas) > 1:
        notes.append("Only the comparison at the top was named in advance; all others are exploratory.")
    return notes


def interval_of(row: Row) -> str:
    """Return the interval of a row with its kind, or why there is none."""
    if not row["low"] or not row["high"]:
        return row["interval"] or "no interval"
    return f"{row['interval']} {bracket(row['low'], row['high'])}"


def size(row: Row, noun: str = "answers") -> str:
    """Return the sample size of a row."""
    return f"n\u00a0=\u00a0{count(row['n'])} {noun} in {count(row['groups'])} groups"


def equals(text: str) -> str:
    """Return a p-value with its relation sign: ``= 0.012`` or ``< 0.001``."""
    return text if text.startswith("<") else f"=\u00a0{text}"
