"""The tables of cards and manifests: teachers, rationales, how well labels are told, datasets, inputs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workflow.lib.tables import Table, cell_of, table_of
from workflow.lib.wording import bracket, count, points, share, significant

SHORT_DIGEST = 12  # hexadecimal digits shown
ROLES = ("dataset", "model", "teacher")  # of what a manifest describes, by the key that names it


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
