"""Each dataset as the report shows it: findings, tables and examples, all of them read from its card.

Nothing is computed: a cell here is a value there, rounded. What a card of the data stage must hold::

    dataset, stage "data", kind     names; kind is the class of its records
    licence, citation               texts
    funnel                          steps of step, rows_in, rows_out, reason
    splits                          by split: rows, groups, and by column (category, rule, answer, position,
                                    verdict, planted) rows by value, or how many values there are if too many
    conflicts                       rows of source, question, answer, some of those whose text has two answers
    near                            pairs, other_answer, clusters, largest_cluster, and between: pairs by
                                    "train and test"
    baselines                       rows of name, looks_at, accuracy, low, high, n, chance, majority
    findings                        sentences
    examples                        by split: records with all their fields
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflow.lib.splits import SPLITS
from workflow.lib.tables import Table, cell_of, table_of
from workflow.lib.wording import bracket, clip, count, plural, share

MOST_VALUES = 40  # of a column, the most frequent ones
COLUMNS = {
    "category": "Categories",
    "rule": "Rules",
    "answer": "Answers",
    "position": "Place of the right choice",
    "verdict": "Verdicts",
    "planted": "Planted defects",
}
# Fields of a record that hold its text, in reading order, and what they are called.
PARTS = {
    "context": "Context",
    "question": "Question",
    "choices": "Choices",
    "text": "Text",
    "thought": "Thought",
    "completion": "Completion",
    "chosen": "Better answer",
    "rejected": "Worse answer",
    "attribution": "Attribution",
}


@dataclass(frozen=True)
class Example:
    """One record as it is in a split."""

    title: str
    about: str
    parts: dict[str, str]


@dataclass(frozen=True)
class DatasetView:
    """One dataset on the page."""

    name: str
    facts: dict[str, str]
    findings: list[str]
    tables: list[Table]  # shown
    folded: list[Table]  # to open
    examples: list[Example]


def dataset_views(cards: Sequence[Mapping[str, Any]]) -> list[DatasetView]:
    """Return a view of every card that describes a dataset in full."""
    return [view(card) for card in cards if "baselines" in card]


def view(card: Mapping[str, Any]) -> DatasetView:
    """Return one dataset as the page shows it."""
    splits, examples = (
        {split: card[key][split] for split in SPLITS if split in card[key]} for key in ("splits", "examples")
    )
    found = [(split, record) for split, records in examples.items() for record in records]
    return DatasetView(
        name=str(card["dataset"]),
        facts={
            "Records": str(card["kind"]),
            "Licence": str(card["licence"]),
            "Citation": str(card["citation"]),
            "Near duplicates": near_pairs(card["near"]),
        },
        findings=[str(finding) for finding in card["findings"]],
        tables=[split_table(splits), *baseline_tables(card["baselines"])],
        folded=[
            funnel_table(card["funnel"]),
            *(value_table(splits, column) for column in COLUMNS if has_values(splits, column)),
            *near_tables(card["near"]),
            *conflict_tables(card["conflicts"]),
        ],
        examples=[example(split, record) for split, record in found],
    )


def split_table(splits: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return rows and groups of each split."""
    columns = {
        "Split": list(splits),
        "Rows": [count(str(s["rows"])) for s in splits.values()],
        "Groups": [count(str(s["groups"])) for s in splits.values()],
    }
    return table_of("Rows and groups", columns)


def baseline_tables(baselines: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return how often each rule that does not reason is right; no table where no rule applies."""
    if not baselines:
        return []
    columns = {
        "Rule": [str(b["name"]) for b in baselines],
        "What it looks at": [str(b["looks_at"]) for b in baselines],
        "Right, %": [share(cell_of(b["accuracy"])) for b in baselines],
        "Interval": [bracket(cell_of(b["low"]), cell_of(b["high"])) for b in baselines],
        "n": [count(str(b["n"])) for b in baselines],
        "Best constant answer, %": [share(cell_of(b["majority"])) for b in baselines],
        "Guess, %": [share(cell_of(b["chance"])) for b in baselines],
    }
    note = (
        "Rules learn from train at most. Intervals are of a bootstrap over groups, at 95\u202f%. The best "
        "constant answer is the one of the same test problems. Of a large split 20,000 rows count."
    )
    return [table_of("Rules that do not reason, on test", columns, words=("What it looks at",), note=note)]


def funnel_table(steps: Sequence[Mapping[str, Any]]) -> Table:
    """Return rows in and out of each step of the data stage, with the reasons."""
    columns = {
        "Step": [str(step["step"]) for step in steps],
        "Rows in": [count(str(step["rows_in"])) for step in steps],
        "Rows out": [count(str(step["rows_out"])) for step in steps],
        "Why rows are lost": [str(step["reason"]) for step in steps],
    }
    return table_of("Rows in and out", columns, words=("Why rows are lost",))


def has_values(splits: Mapping[str, Mapping[str, Any]], column: str) -> bool:
    """Return whether any split has counts of the values of ``column``."""
    return any(column in split and split[column] for split in splits.values())


def value_table(splits: Mapping[str, Mapping[str, Any]], column: str) -> Table:
    """Return how often each value of ``column`` stands in each split, or that there are too many values."""
    counts = {name: split[column] for name, split in splits.items() if column in split}
    many = {name: found for name, found in counts.items() if isinstance(found, int)}
    listed = {name: {} if name in many else found for name, found in counts.items()}
    totals: Counter[str] = Counter()
    for found in listed.values():
        totals.update(found)
    every = sorted(totals, key=lambda value: (-totals[value], value))
    values = every[:MOST_VALUES]
    columns = {"Value": [value or "none" for value in values]}
    for name, found in listed.items():
        columns[name] = [count(str(found[value])) if value in found else "–" for value in values]
    notes = [f"{name} has {plural(number, 'different value')}" for name, number in many.items()]
    notes += [f"{plural(len(every) - MOST_VALUES, 'rarer value')} not shown"] if every[MOST_VALUES:] else []
    return table_of(COLUMNS[column], columns, note="; ".join(notes))


def near_tables(near: Mapping[str, Any]) -> list[Table]:
    """Return how many pairs of rows are nearly the same, by their splits; no table where none are."""
    if not near["between"]:
        return []
    columns = {
        "Splits of the two rows": list(near["between"]),
        "Pairs": [count(str(pairs)) for pairs in near["between"].values()],
    }
    return [table_of("Pairs of rows that are nearly the same", columns)]


def near_pairs(near: Mapping[str, Any]) -> str:
    """Return how many pairs of rows are nearly the same, and how many of them stay."""
    if not near["pairs"]:
        return "none"
    twins = count(str(near["other_answer"]))
    return (
        f"{plural(near['pairs'], 'pair')}, of which {twins} differ in answer and stay; "
        f"{plural(near['clusters'], 'cluster')}, the largest of {count(str(near['largest_cluster']))} rows"
    )


def conflict_tables(conflicts: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Return some of the rows whose text has two gold answers; no table where there are none."""
    if not conflicts:
        return []
    columns = {
        "Row": [str(row["source"]) for row in conflicts],
        "Question": [clip(str(row["question"])) for row in conflicts],
        "Answer": [str(row["answer"]) for row in conflicts],
    }
    return [table_of("Same text, two answers: neither stays", columns, words=("Question", "Answer"))]


def example(split: str, record: Mapping[str, Any]) -> Example:
    """Return one record with its texts under their names, clipped."""
    texts = {title: record[field] for field, title in PARTS.items() if record.get(field)}
    parts = {title: text if isinstance(text, str) else "\n".join(text) for title, text in texts.items()}
    known = [record[field] for field in ("category", "rule") if record[field]]
    if record.get("answer"):
        known.append(f"gold answer: {record['answer']}")
    about = " · ".join([*known, record["source"]])
    return Example(
        f"{split}: {record['problem_id']}", about, {name: clip(text) for name, text in parts.items()}
    )
