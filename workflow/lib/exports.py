"""Preferences in the formats of others: TRL's columns, OpenAI's messages, and the card of the folder.

TRL: prompt/completion and prompt/chosen/rejected, as texts ("standard") or as messages ("conversational").
OpenAI: ``messages`` for supervised fine-tuning; ``input``, ``preferred_output`` and ``non_preferred_output``
for preference fine-tuning. A format is one function from a row to a JSON object.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workflow.lib.records import Pair, Prompt, SftRow

# Who wrote the completions, by strategy of preferences.
WRITERS = {
    "right_vs_wrong": "sampled from the teachers below, and verified against gold or by a verifier",
    "votes": "sampled from the teachers below; the most frequent answer is chosen, without gold",
    "gold_vs_wrong": "the answer options of the dataset itself",
    "given": "the answers in the dataset itself, as people voted",
    "passages": "the texts of the dataset itself",
}
SAMPLED = ("right_vs_wrong", "votes")


def message(role: str, text: str) -> list[dict[str, str]]:
    """Return a conversation of one message."""
    return [{"role": role, "content": text}]


def trl_sft(row: SftRow) -> dict[str, Any]:
    """Return TRL's prompt-completion row."""
    return {"prompt": row.prompt, "completion": row.completion}


def trl_pair(row: Pair) -> dict[str, Any]:
    """Return TRL's preference row."""
    return {"prompt": row.prompt, "chosen": row.chosen, "rejected": row.rejected}


def trl_prompt(row: Prompt) -> dict[str, Any]:
    """Return TRL's prompt-only row."""
    return {"prompt": row.prompt}


def trl_sft_messages(row: SftRow) -> dict[str, Any]:
    """Return TRL's prompt-completion row as messages."""
    return {"prompt": message("user", row.prompt), "completion": message("assistant", row.completion)}


def trl_pair_messages(row: Pair) -> dict[str, Any]:
    """Return TRL's preference row as messages."""
    return {
        "prompt": message("user", row.prompt),
        "chosen": message("assistant", row.chosen),
        "rejected": message("assistant", row.rejected),
    }


def trl_prompt_messages(row: Prompt) -> dict[str, Any]:
    """Return TRL's prompt-only row as messages."""
    return {"prompt": message("user", row.prompt)}


def openai_supervised(row: SftRow) -> dict[str, Any]:
    """Return a line of OpenAI's supervised fine-tuning."""
    return {"messages": message("user", row.prompt) + message("assistant", row.completion)}


def openai_preference(row: Pair) -> dict[str, Any]:
    """Return a line of OpenAI's preference fine-tuning."""
    return {
        "input": {"messages": message("user", row.prompt)},
        "preferred_output": message("assistant", row.chosen),
        "non_preferred_output": message("assistant", row.rejected),
    }


# Kind of row → folder or file stem → format.
FORMATS: dict[str, dict[str, Callable[[Any], dict[str, Any]]]] = {
    "sft": {
        "trl/standard/sft": trl_sft,
        "trl/conversational/sft": trl_sft_messages,
        "openai/supervised": openai_supervised,
    },
    "pairs": {
        "trl/standard/pairs": trl_pair,
        "trl/conversational/pairs": trl_pair_messages,
        "openai/preference": openai_preference,
    },
    "prompts": {
        "trl/standard/prompts": trl_prompt,
        "trl/conversational/prompts": trl_prompt_messages,
    },
}


def origin(row: SftRow | Pair | Prompt, sources: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return where a row comes from: its ids, file and row, and whom the licence asks to credit.

    Args:
        row: A row of the preferences.
        sources: ``source`` and, where the dataset has it, ``attribution``, by problem.
    """
    names = ("row_id", "problem_id", "group_id", "category")
    margin = {"margin": row.margin} if isinstance(row, Pair) else {}
    return {name: getattr(row, name) for name in names} | margin | dict(sources[row.problem_id])


CARD = """---
license: other
task_categories:
- text-generation
tags:
- plumbline
- preference
configs:
{configs}
---

# Preferences from {dataset}

Made by Plumbline. Completions: {writers}.

## Licence

{licence}

Source: {citation}

{teachers}

`origins/` says of every line which problem, file and row it comes from; line n there is line n of the
other files of its name. Where a licence asks for credit, `attribution` is there too: keep it with the texts.

## Rows

| file | rows | |
|---|---|---|
{files}

OpenAI asks for ten lines at least.

## How it was made

| step | rows in | rows out | why rows are lost |
|---|---|---|---|
{funnel}

```json
{settings}
```

## Length in words

| | chosen, mean | rejected, mean | chosen, median | rejected, median | chosen is longer |
|---|---|---|---|---|---|
{lengths}
"""
BIAS = ("mean_words_chosen", "mean_words_rejected", "median_words_chosen", "median_words_rejected")


def export_card(
    dataset: str,
    counts: Mapping[str, int],
    made: Mapping[str, Any],
    data: Mapping[str, Any],
    teachers: Sequence[str],
) -> str:
    """Return the README of the exported folder.

    Args:
        dataset: Name of the dataset.
        counts: Rows by file.
        made: Card of the preferences.
        data: Card of the dataset, with licence and citation.
        teachers: One line per teacher.
    """
    strategy = made["settings"]["strategy"][dataset]
    theirs = [
        "The licences or terms of the teachers apply to what they wrote:",
        "",
        *(f"- {t}" for t in teachers),
    ]
    return CARD.format(
        dataset=dataset,
        configs=_configs(counts),
        writers=WRITERS[strategy],
        licence=data["licence"],
        citation=data["citation"],
        teachers="\n".join(theirs) if strategy in SAMPLED else "No model wrote any of it.",
        files="\n".join(f"| {name} | {rows} | {_meaning(name)} |" for name, rows in counts.items()),
        funnel="\n".join(
            f"| {s['step']} | {s['rows_in']} | {s['rows_out']} | {s['reason']} |" for s in made["funnel"]
        ),
        settings=json.dumps(made["settings"], indent=2, sort_keys=True),
        lengths="\n".join(
            _bias(f"{when} length control", made["length_bias"][when]) for when in ("before", "after")
        ),
    )


def _meaning(name: str) -> str:
    shapes = {
        "trl/standard": "TRL, texts",
        "trl/conversational": "TRL, messages",
        "openai": "OpenAI fine-tuning",
        "origins": "where each line comes from",
    }
    return shapes[name.rsplit("/", 1)[0]]


def _configs(counts: Mapping[str, int]) -> str:
    """Return the part of the front matter that tells the hub's viewer which files are which split."""
    lines = []
    for kind in FORMATS:
        files = [name for name in counts if name.startswith(f"trl/standard/{kind}-")]
        lines += [f"- config_name: {kind}", "  data_files:"] if files else []
        for name in files:
            split = name.removesuffix(".jsonl").rsplit("-", 1)[1]
            lines += [f"  - split: {split}", f"    path: {name}"]
    return "\n".join(lines)


def _bias(label: str, found: Mapping[str, Any]) -> str:
    numbers = [found[name] for name in BIAS]
    shown = ["–" if number is None else f"{number:.1f}" for number in numbers]
    share = found["share_chosen_longer"]
    return "| " + " | ".join([label, *shown, "–" if share is None else f"{100 * share:.0f} %"]) + " |"
